/** The console of TRADER V3. Rooms: protocol → model → feed → ui → features → app; imports go left only. */
import { createRoot } from "react-dom/client";
import { startFeed } from "../feed/feed";
import { StoreContext } from "../feed/hooks";
import { onNextFrame } from "../feed/schedule";
import { createStore } from "../feed/store";
import { restoreTheme } from "../ui/theme";
import { App } from "./App";
import "../styles/index.css";

restoreTheme();
// The link that the trader prints carries the control token; it must not stay in the address bar or the history.
if (window.location.hash.startsWith("#token=")) {
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
}
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
const store = createStore(onNextFrame);
startFeed(store, window.location);
createRoot(root).render(
  <StoreContext value={store}>
    <App />
  </StoreContext>,
);
