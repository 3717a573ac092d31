// SPDX-License-Identifier: GPL-3.0-or-later
// A staff list as CSV: what would change is shown before anything does; then the welcome links of who is new.
import { Alert, Button, FileUpload, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Label, Stack, StackItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState } from "react";
import type { UserImport, UserImported } from "#schema";
import { api } from "../api/client";
import { refresh } from "../api/live";
import { Link } from "../router";
import { Page, plural, Problem, useAction } from "../ui/common";
import { parseCsv } from "../ui/csv";
import { csvOf, download } from "../ui/table";
import { welcomeLink } from "./welcome";
import { word } from "../ui/words";

type Row = UserImport["rows"][number];
const SHOWN_MAX = 200;
const COLUMNS = ["user", "full_name", "email", "groups", "state"];
const COLOUR: Record<string, "green" | "blue" | "grey" | "orange" | "red" | "teal"> = {
  create: "green", update: "blue", unchanged: "grey", retire: "orange", restore: "teal", error: "red",
};

/** The rows of a file, or what is wrong with it. */
export function rowsOf(text: string): { rows: Row[]; wrong?: string } {
  const [head, ...lines] = parseCsv(text);
  if (!head) return { rows: [], wrong: "The file is empty." };
  const names = head.map((h) => h.toLowerCase().replace(/[ -]+/g, "_"));
  const unknown = names.filter((n) => !COLUMNS.includes(n));
  if (!names.includes("user")) return { rows: [], wrong: "The first line must name the columns, and one of them must be “user”." };
  if (unknown.length) return { rows: [], wrong: `Unknown columns: ${unknown.join(", ")}. Known are ${COLUMNS.join(", ")}.` };
  if (lines.length > 5000) return { rows: [], wrong: `${lines.length} rows; at most 5000 go in one file.` };
  if (!lines.length) return { rows: [], wrong: "The file has a head and no rows." };
  const rows = lines.map((line) => {
    const row: Record<string, unknown> = {};
    names.forEach((name, i) => {
      const value = line[i] ?? "";
      if (name === "groups") row.groups = value.split(/[\s;,|]+/).filter(Boolean);
      else if (value || name === "user") row[name] = value;
    });
    return row as Row;
  });
  return { rows };
}

function Counts({ result }: { result: UserImported }) {
  return (
    <p>
      {Object.entries(result.counts as Record<string, number>).filter(([, n]) => n > 0).map(([action, n]) => (
        <span key={action}><Label isCompact color={COLOUR[action] ?? "grey"}>{word(action)}: {n}</Label>{" "}</span>
      ))}
    </p>
  );
}

function Outcome({ result }: { result: UserImported }) {
  // What will not happen as written first: it is what has to be looked at.
  const rank = (action: string) => ["error", "retire", "restore", "create", "update", "unchanged"].indexOf(action);
  const items = [...result.items].sort((a, b) => rank(a.action) - rank(b.action) || a.row - b.row);
  return (
    <>
      <Table aria-label="Rows of the import" variant="compact" gridBreakPoint="grid-md">
        <Thead><Tr><Th>Row</Th><Th>User</Th><Th>What</Th><Th>Changes</Th></Tr></Thead>
        <Tbody>
          {items.slice(0, SHOWN_MAX).map((x) => (
            <Tr key={x.row}>
              <Td dataLabel="Row">{x.row}</Td>
              <Td dataLabel="User">{x.user}</Td>
              <Td dataLabel="What"><Label isCompact color={COLOUR[x.action] ?? "grey"}>{word(x.action)}</Label></Td>
              <Td dataLabel="Changes">{x.message ?? x.changes.join(", ")}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      {items.length > SHOWN_MAX && <p className="pane-quiet">and {items.length - SHOWN_MAX} more rows</p>}
    </>
  );
}

export function Import() {
  const [file, setFile] = useState("");
  const [text, setText] = useState("");
  const [preview, setPreview] = useState<UserImported>();
  const [result, setResult] = useState<UserImported>();
  const action = useAction();
  const { rows, wrong } = text ? rowsOf(text) : { rows: [], wrong: undefined };

  const take = (next: string) => {
    setText(next);
    setPreview(undefined);
    setResult(undefined);
    const read = rowsOf(next);
    if (next && !read.wrong) void action.run(async () => setPreview(await api.post<UserImported>("/users/import?dry_run=true", { rows: read.rows })));
    else action.clear();
  };
  const run = () =>
    action.run(async () => {
      setResult(await api.post<UserImported>("/users/import", { rows }));
      setPreview(undefined);
      refresh("user", "pool", "desktop");
    });
  const made = result?.items.filter((x) => x.welcome) ?? [];
  const save = () => download("welcome-links.csv", "text/csv", csvOf(["user", "link"], made.map((x) => [x.user, welcomeLink(x.welcome!)])));
  const changing = preview ? preview.items.filter((x) => x.action !== "unchanged" && x.action !== "error").length : 0;
  const errors = preview ? preview.items.filter((x) => x.action === "error").length : 0;
  return (
    <Page title="Import users" crumb={["/users", "Users"]} lead="A staff list as CSV. Nothing changes before you have seen what would.">
      <Stack hasGutter>
        {!result && (
          <StackItem>
            <Form>
              <FormGroup label="CSV file" fieldId="csv">
                <FileUpload
                  id="csv"
                  type="text"
                  value={text}
                  filename={file}
                  filenamePlaceholder="Drop a file here, choose one, or paste below"
                  browseButtonText="Choose file"
                  onFileInputChange={(_, f) => setFile(f.name)}
                  onDataChange={(_, v) => take(v)}
                  onTextChange={(_, v) => take(v)}
                  onClearClick={() => { setFile(""); take(""); }}
                  aria-label="CSV text"
                  browseButtonAriaDescribedby="csv-help"
                />
                <FormHelperText>
                  <HelperText id="csv-help">
                    <HelperTextItem variant={wrong ? "error" : "default"}>
                      {wrong ?? <>The first line names the columns: <code>user,full_name,email,groups,state</code>; only user is needed. Several groups are separated by spaces; state “left” retires a person.</>}
                    </HelperTextItem>
                  </HelperText>
                </FormHelperText>
              </FormGroup>
            </Form>
          </StackItem>
        )}
        {action.error && <StackItem><Problem error={action.error} /></StackItem>}
        {preview && (
          <StackItem>
            <Alert component="h2" variant={errors ? "warning" : "info"} isInline title={`Preview of ${plural(rows.length, "row")}: nothing is changed yet`}>
              <Counts result={preview} />
              {errors > 0 && <p>Rows with errors are left out; the others are imported.</p>}
            </Alert>
            <p className="pane-above pane-below"><Button isDisabled={!changing || action.busy} isLoading={action.busy} onClick={() => void run()}>Import {plural(changing, "row")}</Button></p>
            <Outcome result={preview} />
          </StackItem>
        )}
        {result && (
          <StackItem>
            <Alert component="h2" variant="success" isInline title="Imported"><Counts result={result} /></Alert>
            {made.length > 0 && (
              <Alert component="h2" className="pane-above" variant="warning" isInline title={`${plural(made.length, "welcome link")}: given out only now`}>
                <p>Each sets the first password of its person, once, within 7 days. They are stored nowhere.</p>
                <p className="pane-above"><Button onClick={save}>Save welcome links</Button></p>
              </Alert>
            )}
            <p className="pane-above pane-below"><Button variant="secondary" onClick={() => { setFile(""); take(""); }}>Import another file</Button>{" "}<Link to="/users">Users</Link></p>
            <Outcome result={result} />
          </StackItem>
        )}
      </Stack>
    </Page>
  );
}
