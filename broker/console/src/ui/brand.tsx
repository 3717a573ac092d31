// SPDX-License-Identifier: GPL-3.0-or-later
// The logo with a text beside it, and whom to ask for help.
import type { ReactNode } from "react";
import { logoOf, useBranding } from "./branding";

export function Brand({ children }: { children: ReactNode }) {
  const branding = useBranding();
  return <span className="pane-brand"><img src={logoOf(branding)} alt="" />{children}</span>;
}

export function Support() {
  const { support } = useBranding();
  if (!support) return null;
  return <p className="pane-quiet pane-above">Help: {support}</p>;
}
