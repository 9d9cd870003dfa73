// What is being built, with its past: every change can be undone. Typing in one field is one change.
const DEPTH = 200;
const PAUSE_MS = 1200; // a longer pause begins a change of its own

/** first: plain data. `change(fn, field)` lets fn change it; listeners get {typing}: only what stands in a field changed. */
export function makeStore(first) {
  let state = first;
  let past = [];
  let future = [];
  let last = { field: "", at: 0 };
  const listeners = [];
  const tell = (typing) => listeners.forEach((listener) => listener({ typing }));

  function turn(from, to) {
    if (!from.length) return false;
    to.push(JSON.stringify(state));
    state = JSON.parse(from.pop());
    last = { field: "", at: 0 };
    tell(false);
    return true;
  }

  return {
    get state() {
      return state;
    },
    get canUndo() {
      return past.length > 0;
    },
    get canRedo() {
      return future.length > 0;
    },
    listen: (listener) => listeners.push(listener),
    change(fn, field = "") {
      const before = JSON.stringify(state);
      fn(state);
      if (JSON.stringify(state) === before) return;
      const now = Date.now();
      if (!field || field !== last.field || now - last.at > PAUSE_MS) past = [...past, before].slice(-DEPTH);
      last = { field, at: now };
      future = [];
      tell(Boolean(field));
    },
    undo: () => turn(past, future),
    redo: () => turn(future, past),
  };
}
