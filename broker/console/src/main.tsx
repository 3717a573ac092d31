// SPDX-License-Identifier: GPL-3.0-or-later
import "@patternfly/react-core/dist/styles/base.css";
import "./pane.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { startBranding } from "./ui/branding";
import { startTheme } from "./ui/theme";

startTheme();
startBranding();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
