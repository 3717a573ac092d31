// SPDX-License-Identifier: GPL-3.0-or-later
// What every page is made of: headings, states, problems with their cause and id, emptiness with the next step.
import {
  Alert,
  AlertActionCloseButton,
  AlertGroup,
  Breadcrumb,
  BreadcrumbItem,
  Bullseye,
  Button,
  ClipboardCopy,
  Content,
  EmptyState,
  EmptyStateBody,
  EmptyStateFooter,
  Flex,
  FlexItem,
  Label,
  PageSection,
  Spinner,
  Title,
} from "@patternfly/react-core";
import { useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { ApiError } from "../api/client";
import { setTitle, useBranding } from "./branding";
import { number, when } from "./text";
import { word } from "./words";

// ---- problems and news ----

export function Problem({ error, title, retry }: { error: ApiError; title?: string; retry?: () => void }) {
  const { support } = useBranding();
  return (
    <Alert
      component="h2"
      variant="danger"
      isInline
      title={title ?? error.message}
      actionLinks={
        retry && (
          <Button variant="link" isInline onClick={retry}>
            Try again
          </Button>
        )
      }
    >
      {title && <p>{error.message}</p>}
      <Reasons reasons={error.reasons} />
      {error.id && (
        <p className="pane-quiet">
          Ask for help with this id: <code>{error.id}</code>{support && <> ({support})</>}
        </p>
      )}
    </Alert>
  );
}

export function Reasons({ reasons }: { reasons: string[] }) {
  if (!reasons.length) return null;
  return (
    <ul className="pane-reasons">
      {reasons.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

type Toast = { id: number; title: string; error?: ApiError };
let toasts: Toast[] = [];
let lastToast = 0;
const tellToasts = new Set<() => void>();

function setToasts(next: Toast[]) {
  toasts = next;
  tellToasts.forEach((tell) => tell());
}

export function say(title: string, error?: unknown) {
  const problem = error === undefined ? undefined : asApiError(error);
  setToasts([...toasts.slice(-4), { id: ++lastToast, title, error: problem }]);
}

export function asApiError(error: unknown) {
  return error instanceof ApiError ? error : new ApiError(0, "console", String(error));
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (tell) => {
      tellToasts.add(tell);
      return () => tellToasts.delete(tell);
    },
    () => toasts,
  );
  const close = (id: number) => setToasts(toasts.filter((t) => t.id !== id));
  return (
    <AlertGroup isToast isLiveRegion>
      {shown.map((t) => (
        <Alert
      component="h2"
          key={t.id}
          variant={t.error ? "danger" : "success"}
          title={t.title}
          timeout={t.error ? undefined : 6000}
          onTimeout={() => close(t.id)}
          actionClose={<AlertActionCloseButton onClose={() => close(t.id)} />}
        >
          {t.error && (
            <>
              <p>{t.error.message}</p>
              <Reasons reasons={t.error.reasons} />
              {t.error.id && <p>id {t.error.id}</p>}
            </>
          )}
        </Alert>
      ))}
    </AlertGroup>
  );
}

/** Runs something a person asked for; busy meanwhile, told how it went. True when it was done. */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const run = async (work: () => Promise<unknown>, done?: string) => {
    setBusy(true);
    setError(undefined);
    try {
      await work();
      if (done) say(done);
      return true;
    } catch (problem) {
      setError(asApiError(problem));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run, clear: () => setError(undefined) };
}

// ---- page frame ----

export function Page({ title, lead, crumb, actions, children }: {
  title: ReactNode;
  lead?: ReactNode;
  /** the list this is one of: its address and title */
  crumb?: [string, string];
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    if (typeof title === "string") setTitle(title);
  }, [title]);
  return (
    <>
      <PageSection hasBodyWrapper={false}>
        {crumb && (
          <Breadcrumb className="pane-below">
            <BreadcrumbItem to={`#${crumb[0]}`}>{crumb[1]}</BreadcrumbItem>
            <BreadcrumbItem isActive>{title}</BreadcrumbItem>
          </Breadcrumb>
        )}
        <Flex justifyContent={{ default: "justifyContentSpaceBetween" }} alignItems={{ default: "alignItemsFlexStart" }}>
          <FlexItem>
            <Title headingLevel="h1">{title}</Title>
            {lead && <Content component="p" className="pane-quiet">{lead}</Content>}
          </FlexItem>
          {actions && (
            <Flex spaceItems={{ default: "spaceItemsSm" }}>{actions}</Flex>
          )}
        </Flex>
      </PageSection>
      <PageSection hasBodyWrapper={false} isFilled>
        {children}
      </PageSection>
    </>
  );
}

/** On narrow screens tabs scroll: the chosen one is brought into sight. */
export function useTabInSight(tab: string) {
  useEffect(() => {
    document.querySelector(".pf-v6-c-tabs__item.pf-m-current")?.scrollIntoView({ block: "nearest", inline: "center" }); // newer browsers return a promise
  }, [tab]);
}

export function Loading({ what }: { what: string }) {
  return (
    <Bullseye>
      <Spinner aria-label={`Loading ${what}`} />
    </Bullseye>
  );
}

/** Data, or why it is not there. */
export function Shown<T>({ live, what, children }: {
  live: { data: T | undefined; error: ApiError | undefined; reload: () => void };
  what: string;
  children: (data: T) => ReactNode;
}) {
  return (
    <>
      {live.error && <Problem error={live.error} title={live.data ? `${what}: shown as last known` : undefined} retry={live.reload} />}
      {live.data !== undefined ? children(live.data) : !live.error && <Loading what={what} />}
    </>
  );
}

export function Nothing({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <EmptyState titleText={title} headingLevel="h2" variant="sm">
      {children && <EmptyStateBody>{children}</EmptyStateBody>}
      {action && <EmptyStateFooter>{action}</EmptyStateFooter>}
    </EmptyState>
  );
}

// ---- values ----

const COLOURS: Record<string, "green" | "blue" | "orange" | "red" | "grey" | "teal" | "purple"> = {
  ready: "green", online: "green", connected: "green", published: "green", done: "green", ok: "green", enabled: "green", active: "green", kept: "green",
  requested: "blue", cloning: "blue", booting: "blue", running: "blue", uploading: "blue", verifying: "blue", converting: "blue",
  updating: "blue", connecting: "blue", ticketed: "blue", enrolled: "blue", pulling: "blue", recording: "blue",
  suspended: "teal", disconnected: "teal", waiting: "teal", created: "teal", paused: "orange", draining: "orange", drained: "orange", recycling: "orange",
  deleting: "orange", logging_off: "orange", stopped: "orange", refused: "orange", disabled: "orange",
  failed: "red", lost: "red", denied: "red",
};

export function State({ of, label }: { of: string; label?: string }) {
  return (
    <span>
      <Label isCompact color={COLOURS[of] ?? "grey"} className="pane-nowrap">
        {word(label ?? of)}
      </Label>
    </span>
  );
}

export function duration(seconds: number) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

export function When({ at }: { at: string | null | undefined }) {
  if (!at) return <span className="pane-quiet">never</span>;
  const date = new Date(at);
  return (
    <time dateTime={at} title={at} className="pane-nowrap">
      {when(date, { dateStyle: "short", timeStyle: "medium" })}
    </time>
  );
}

let seconds = 0;
const tellSeconds = new Set<() => void>();
let ticker: number | undefined;

/** A clock for everything that shows how long ago something was: no request, one timer for all. */
function useTick() {
  return useSyncExternalStore(
    (tell) => {
      tellSeconds.add(tell);
      ticker ??= window.setInterval(() => { seconds += 5; tellSeconds.forEach((t) => t()); }, 5000);
      return () => {
        tellSeconds.delete(tell);
        if (tellSeconds.size) return;
        window.clearInterval(ticker);
        ticker = undefined;
      };
    },
    () => seconds,
  );
}

/** How long something is as it is: the server's count, which goes on here. at says when another count began. */
export function Age({ at, seconds: start }: { at: string; seconds: number }) {
  const tick = useTick();
  const base = useMemo(() => ({ start, tick }), [at, start]);
  return <span className="pane-nowrap">{duration(base.start + tick - base.tick)}</span>;
}

export function mib(n: number) {
  return n >= 1024 ? `${number(n / 1024, n >= 10240 ? 0 : 1)} GiB` : `${n} MiB`;
}

export function plural(n: number, one: string, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

/** Parts of a whole, side by side. */
export function Bar({ label, whole, parts }: { label: string; whole: number; parts: { n: number; kind: string }[] }) {
  return (
    <div className="pane-bar" role="img" aria-label={label} title={label}>
      {parts.map(({ n, kind }) => (
        <span key={kind} className={`pane-bar-${kind}`} style={{ width: `${whole ? Math.min(100, (100 * n) / whole) : 0}%` }} />
      ))}
    </div>
  );
}

/** A secret that will not be shown again. */
export function Once({ label, secret }: { label: string; secret: string }) {
  return (
    <Alert component="h2" variant="warning" isInline title={`${label}: shown only now`}>
      <p>It is stored nowhere. Copy it before you leave this page.</p>
      <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel={label} className="pane-secret">
        {secret}
      </ClipboardCopy>
    </Alert>
  );
}
