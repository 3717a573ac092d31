// SPDX-License-Identifier: GPL-3.0-or-later
import "@patternfly/react-core/dist/styles/base.css";
import "./pane.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startBranding } from "./ui/branding";
import { startLanguage } from "./ui/text";
import { startTheme } from "./ui/theme";

startTheme();
startBranding();
await startLanguage();
const { App } = await import("./app"); // whose text is of the language from its first line on
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
