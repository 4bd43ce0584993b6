// Which parts of the page know who looks at it? Each is an element that draws itself where it is put.

import { AccountMenu } from "./account/menu.js";
import { KeysView } from "./account/keys.js";
import { LimitMeter } from "./account/meter.js";
import { UsageView } from "./account/usage.js";

customElements.define("np-account", AccountMenu);
customElements.define("np-keys", KeysView);
customElements.define("np-meter", LimitMeter);
customElements.define("np-usage", UsageView);
