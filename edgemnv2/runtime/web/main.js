// Opens the page.

import { load } from "./index.js";
import { openPage } from "./page.js";

openPage(document.body, load());
