// What every page does. Each module is one behaviour, bound to the elements that ask for it by a data attribute.
import "./theme.js";
import "./dialogs.js";
import "./menus.js";
import "./confirmed.js";
import "./selection.js";
import "./jump.js";
import "./keys.js";
import "./clock.js";
import "./copy.js";
import "./toasts.js";
import "./requests.js";
import "./live.js";
import "./prompts.js";
import "./decided.js";
import "./arrivals.js";
import "./notifications.js";
import "./replay.js";
