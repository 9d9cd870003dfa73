// Saving: once per press, what is wrong goes to its field, and a name that is taken is said at the name.
import { sentenceOf } from "./faults.js";
import { Refused, ask, words } from "./talk.js";
import { written } from "./transfer.js";

const FIELDS = ["name", "description"];

/** faults(found): shows faults of the trees; done(): it is stored. The page goes on to the strategy's own. */
export function startSaving({ store, data, faults, done }) {
  const button = document.getElementById("save");
  const refused = document.getElementById("save-refused");
  const state = { leaving: false, busy: false };

  function say(text) {
    refused.hidden = !text;
    refused.querySelector("div").textContent = text;
  }

  function atField(name, text) {
    const control = document.getElementById(`f-${name}`);
    document.getElementById(`f-${name}-error`).textContent = text;
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
    return control;
  }

  function refuse(error) {
    const found = error instanceof Refused ? error.errors : [];
    const own = found.filter((fault) => FIELDS.includes(fault.path));
    own.forEach((fault) => atField(fault.path, sentenceOf(fault)));
    const others = found.filter((fault) => !FIELDS.includes(fault.path));
    if (others.length) faults(others);
    say(own.length || others.length ? "Not saved: something needs your attention." : words(error));
    if (own.length) document.getElementById(`f-${own[0].path}`).focus();
    else refused.focus();
  }

  button?.addEventListener("click", async () => {
    if (state.busy || button.disabled) return;
    FIELDS.forEach((name) => atField(name, ""));
    say("");
    state.busy = true;
    button.setAttribute("aria-disabled", "true");
    const label = [...button.childNodes];
    button.textContent = "Saving…";
    try {
      const body = written(store.state);
      const row = await ask(data.strategy ? "PATCH" : "POST", data.urls.save, body);
      done();
      state.leaving = true;
      location.assign(data.urls.detail.replace("/0/", `/${row.id}/`));
    } catch (error) {
      state.busy = false;
      button.removeAttribute("aria-disabled");
      button.replaceChildren(...label);
      refuse(error);
    }
  });
  return {
    get leaving() {
      return state.leaving;
    },
    changed() {
      if (!refused.hidden) say("");
    },
  };
}
