// The draft: what is being built stays in this browser until it is saved, for each person and strategy its own.
const PREFIX = "builder-draft:";

/** key: person and strategy. `seen`: when the saved strategy was last changed; a draft made over an older one says so. */
export function draftOf(key, seen) {
  const name = PREFIX + key;
  return {
    load() {
      try {
        return JSON.parse(localStorage.getItem(name));
      } catch {
        return null;
      }
    },
    /** False where the browser keeps nothing (private windows, a full store). */
    keep(content) {
      try {
        localStorage.setItem(name, JSON.stringify({ content, seen, at: Date.now() }));
        return true;
      } catch {
        return false;
      }
    },
    drop: () => localStorage.removeItem(name),
  };
}
