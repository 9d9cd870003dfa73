// A session with real money: the form is sent from the dialog alone, once the account's name is typed.
import { show } from "./dialogs.js";

const form = document.getElementById("new-session");
const plain = (text) => text.trim().replace(/\s+/g, " ").toLowerCase();

form.addEventListener("submit", (event) => {
  const dialog = document.getElementById("real-money");
  if (!dialog || dialog.open) return;
  event.preventDefault();
  show(dialog);
});

form.addEventListener("input", (event) => {
  const typed = event.target;
  if (typed.id !== "f-confirm_account") return;
  typed.closest("dialog").querySelector("[type=submit]").disabled = plain(typed.value) !== plain(typed.dataset.expected);
});
