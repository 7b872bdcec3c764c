import { render } from "preact";
import { App } from "./app";
import { listenToKeys } from "./lib/keys";
import { listenToAddress } from "./lib/router";
import { startTheme } from "./lib/theme";
import { goLive } from "./live/live";
import "uplot/dist/uPlot.min.css";
import "./styles/all.css";

startTheme();
listenToAddress();
listenToKeys();
goLive();
const root = document.getElementById("root");
if (root) render(<App />, root);
