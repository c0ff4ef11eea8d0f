// The page: its modules in one, and what opens it; `edgemnv2` is for its console.

import { label, load } from "./index.js";

@PAGE@
window.edgemnv2 = openPage(document.body, load());
