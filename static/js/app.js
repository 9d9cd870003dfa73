// What every page has: theme, menus, dialogs, toasts, tabs, shortcuts, search, market status, notifications, inbox, live connection.
import { startTheme } from "./theme.js";
import { startDialogs } from "./dialogs.js";
import { startToasts } from "./toasts.js";
import { startForms } from "./forms.js";
import { startTables } from "./tables.js";
import { startTabs } from "./tabs.js";
import { startPalette } from "./palette.js";
import { startShortcuts } from "./shortcuts.js";
import { startMarket } from "./market.js";
import { startNotifications } from "./notifications.js";
import { startInbox } from "./inbox.js";
import { connect } from "./live.js";

startTheme();
startDialogs();
startToasts();
startForms();
startTables();
startTabs();
startShortcuts();
if (document.body.dataset.signedIn === "yes") {
  startPalette();
  startMarket();
  startNotifications();
  startInbox();
  connect();
}
