// SPDX-License-Identifier: GPL-3.0-or-later
// A second factor: what an authenticator app reads, the code it answers with, and the recovery codes that are shown once.
import { Button, ClipboardCopy } from "@patternfly/react-core";
import { QRCodeSVG } from "qrcode.react";
import { ApiError } from "../api/client";
import { TextField } from "./fields";
import { download } from "./table";

/** The otpauth address of an error that says a second factor is to be set up now. */
export function enrolmentOf(problem: unknown) {
  if (!(problem instanceof ApiError) || problem.code !== "totp.enroll") return undefined;
  return problem.reasons.find((text) => text.startsWith("otpauth://"));
}

/** uri: otpauth://totp/…?secret=…, as the server made it. */
export function Enrol({ uri }: { uri: string }) {
  const secret = new URLSearchParams(uri.split("?", 2)[1] ?? "").get("secret") ?? "";
  return (
    <>
      <p>Scan this with an authenticator app, or type the key into it. Then enter the six digits that it shows.</p>
      <div className="pane-qr"><QRCodeSVG value={uri} size={192} level="M" marginSize={2} title="QR code for an authenticator app" /></div>
      <p className="pane-key">{secret.match(/.{1,4}/g)?.join(" ")}</p>
      <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel="Key for the app">{secret}</ClipboardCopy>
    </>
  );
}

export function CodeField({ value, set, recovery }: { value: string; set: (value: string) => void; recovery?: boolean }) {
  return <TextField label={recovery ? "Code of your authenticator app, or a recovery code" : "Code of your authenticator app"} value={value} set={set} required autoFocus code />;
}

export function RecoveryCodes({ codes, done }: { codes: string[]; done: () => void }) {
  return (
    <>
      <p>Keep these where the device with the app is not. Each is good for one login, and they are shown only now.</p>
      <pre className="pane-codes" aria-label="Recovery codes" tabIndex={0}>{codes.join("\n")}</pre>
      <p>
        <Button variant="secondary" onClick={() => download("pane-recovery-codes.txt", "text/plain", codes.join("\r\n") + "\r\n")}>Save as a file</Button>{" "}
        <Button onClick={done}>I have kept them</Button>
      </p>
    </>
  );
}
