// Which parts of the page show how an answer is made? Each is an element that is told by the server's page.

import { CompareView } from "./answer/compare.js";
import { WatchView } from "./answer/watch.js";

customElements.define("np-compare", CompareView);
customElements.define("np-watch", WatchView);
