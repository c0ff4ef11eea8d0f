// Opens the page; `edgemnv2` is for its console.

import { load } from "./index.js";
import { openPage } from "./page.js";

window.edgemnv2 = openPage(document.body, load());
