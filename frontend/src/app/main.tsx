/** The console of TRADER V3. Rooms: protocol → model → feed → ui → features → app; imports go left only. */
import { createRoot } from "react-dom/client";
import { keepAddress } from "../feed/address";
import { createCommander, tokenIn } from "../feed/commands";
import { startFeed } from "../feed/feed";
import { CommanderContext, StoreContext } from "../feed/hooks";
import { onNextFrame } from "../feed/schedule";
import { watchSlowness } from "../feed/slowness";
import { createStore } from "../feed/store";
import { startTravel } from "../feed/travel";
import { parseView } from "../model/view";
import { restoreTheme } from "../ui/theme";
import { App } from "./App";
import "../styles/index.css";

restoreTheme();
const { location, history } = window;
// The link that the trader prints carries the control token; it must not stay in the address bar or the history.
const token = tokenIn(location.hash);
if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
const store = createStore(onNextFrame, parseView(location.search));
const socket = startFeed(store, location);
startTravel(store, (url, init) => fetch(url, init));
keepAddress(store, window);
watchSlowness(store);
createRoot(root).render(
  <StoreContext value={store}>
    <CommanderContext value={createCommander(store, socket, token)}>
      <App />
    </CommanderContext>
  </StoreContext>,
);
