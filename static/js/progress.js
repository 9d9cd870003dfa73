// Keeps a progress card current: bar, done of total, rate, time elapsed and left; says each tenth aloud, no more.
const number = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const started = new WeakMap(); // card → moment the work began, by this clock
const spoken = new WeakMap();

export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}

/** phases: code → words, for what is being done now. */
export function showProgress(card, phases, { phase, done, total, elapsed_s: elapsed }) {
  const say = (name, text) => {
    card.querySelector(`[data-${name}]`).textContent = text;
  };
  if (elapsed !== null && elapsed !== undefined) started.set(card, Date.now() - elapsed * 1000);
  const seconds = started.has(card) ? (Date.now() - started.get(card)) / 1000 : null;
  const bar = card.querySelector("progress");
  if (total) {
    bar.max = total;
    bar.value = done;
    say("done", `${number.format(done)} of ${number.format(total)}`);
  }
  if (phase) say("phase", phases[phase] ?? phase);
  if (seconds !== null) say("elapsed", duration(seconds));
  if (seconds && done) {
    say("rate", `${number.format(done / seconds)} bars/s`);
    say("left", duration(((total - done) * seconds) / done));
  }
  const tenth = total ? Math.floor((done / total) * 10) : 0;
  if (tenth > (spoken.get(card) ?? 0)) {
    spoken.set(card, tenth);
    say("live", `${tenth * 10} percent done`);
  }
}
