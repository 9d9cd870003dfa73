// Tells the sign-up form the browser's time zone, so that a new user's times are right from the first page on.
const field = document.getElementById("id_timezone");
if (field && !field.value) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
