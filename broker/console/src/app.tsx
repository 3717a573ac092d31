// SPDX-License-Identifier: GPL-3.0-or-later
// Who is here decides what is shown: people with a role beside "user" get the console, everybody the portal.
import {
  Alert, Button, Dropdown, DropdownItem, DropdownList, Masthead, MastheadBrand, MastheadContent, MastheadMain, MastheadToggle, MenuToggle,
  Nav, NavItem, NavList, Page as Frame, PageSidebar, PageSidebarBody, PageToggleButton, SkipToContent, Toolbar, ToolbarContent, ToolbarItem,
} from "@patternfly/react-core";
import { lazy, Suspense, useEffect, useState, type ReactNode } from "react";
import type { Branding, Me } from "#schema";
import { logout, logoutEverywhere, whenLoginEnds, whoAmI } from "./api/client";
import { forget, useFlowing, useItem, useLiveUpdates } from "./api/live";
import { Login } from "./login";
import { Audit } from "./pages/audit";
import { DesktopPage, Desktops } from "./pages/desktops";
import { GroupPage, Groups } from "./pages/groups";
import { HelpDesk } from "./pages/helpdesk";
import { HostPage, Hosts } from "./pages/hosts";
import { ImageUpload } from "./pages/image_upload";
import { ImagePage, Images } from "./pages/images";
import { Import } from "./pages/import";
import { Logons } from "./pages/logons";
import { NewEmployee } from "./pages/new_employee";
import { Overview } from "./pages/overview";
import { PoolPage } from "./pages/pool";
import { PoolWizard } from "./pages/pool_wizard";
import { Pools } from "./pages/pools";
import { Recordings } from "./pages/recordings";
import { Sessions } from "./pages/sessions";
import { Settings } from "./pages/settings";
import { ThinClients } from "./pages/thin_clients";
import { UsageReportPage } from "./pages/usage_report";
import { UserPage, Users } from "./pages/users";
import { Welcome } from "./pages/welcome";
import { Logins } from "./portal/logins";
import { Password } from "./portal/password";
import { Portal } from "./portal/portal";
import { SecondFactor } from "./portal/second_factor";
import { Link, navigate, useRoute } from "./router";
import { Brand } from "./ui/brand";
import { setBranding, siteName, useBranding } from "./ui/branding";
import { Loading, Nothing, Page, say, Toasts } from "./ui/common";
import { forgetPictures } from "./ui/pictures";
import { LanguageItems } from "./ui/language";
import { may, setRole } from "./ui/may";
import { setTheme, theme, type Theme } from "./ui/theme";

const Viewer = lazy(() => import("./portal/viewer"));

/** [first part of the path, title, the call it is of no use without] */
const NAV: [string, string, string][] = [
  ["overview", "Overview", "GET /hosts"],
  ["helpdesk", "Help desk", "GET /users"],
  ["new-employee", "New employee", "POST /users"],
  ["pools", "Pools", "GET /pools"],
  ["desktops", "Desktops", "GET /desktops"],
  ["sessions", "Sessions", "GET /sessions"],
  ["recordings", "Recordings", "GET /recordings"],
  ["users", "Users", "GET /users"],
  ["groups", "Groups", "GET /groups"],
  ["images", "Images", "GET /images"],
  ["hosts", "Hosts", "GET /hosts"],
  ["thin-clients", "Thin clients", "GET /terminals"],
  ["usage", "Usage report", "GET /usage"],
  ["audit", "Events and audit", "GET /audit"],
  ["settings", "Settings", "GET /lockouts"],
];

/** Pages that are part of what another entry of the navigation leads to. */
const UNDER: Record<string, string> = { import: "users", upload: "images", logons: "sessions" };

/** [a list, one of it] by the first part of the path. */
function adminPage([section, name, more]: string[], leave: (everywhere?: boolean) => void): ReactNode {
  switch (section) {
    case undefined:
      return may("GET /hosts") ? <Overview /> : <Pools />;
    case "overview":
      return <Overview />;
    case "new-employee":
      return <NewEmployee />;
    case "pools":
      if (name === "new" && more === undefined) return <PoolWizard />;
      return name ? <PoolPage key={name} name={name} /> : <Pools />;
    case "desktops":
      return name ? <DesktopPage key={name} name={name} /> : <Desktops />;
    case "sessions":
      return <Sessions />;
    case "recordings":
      return <Recordings />;
    case "users":
      return name ? <UserPage key={name} name={name} /> : <Users />;
    case "groups":
      return name ? <GroupPage key={name} name={name} /> : <Groups />;
    case "helpdesk":
      return <HelpDesk />;
    case "import":
      return <Import />;
    case "logons":
      return <Logons />;
    case "settings":
      return <Settings />;
    case "upload":
      return <ImageUpload />;
    case "images":
      return name ? <ImagePage key={name} name={name} /> : <Images />;
    case "hosts":
      return name ? <HostPage key={name} name={name} /> : <Hosts />;
    case "thin-clients":
      return <ThinClients />;
    case "usage":
      return <UsageReportPage />;
    case "audit":
      return <Audit />;
    case "my":
      return <Portal />;
    case "password":
      return <Password />;
    case "second-factor":
      return <SecondFactor />;
    case "logins":
      return <Logins leave={leave} />;
    default:
      return (
        <Page title="Not found">
          <Nothing title="There is no such page" action={<Link to="/">To the overview</Link>} />
        </Page>
      );
  }
}

function portalPage([section]: string[], leave: (everywhere?: boolean) => void): ReactNode {
  if (section === "logins") return <Logins leave={leave} />;
  if (section === "second-factor") return <SecondFactor />;
  return section === "password" ? <Password /> : <Portal />;
}

function UserMenu({ me, leave }: { me: Me; leave: (everywhere?: boolean) => void }) {
  const [open, setOpen] = useState(false);
  const [now, setNow] = useState<Theme>(theme());
  const pick = (value: Theme) => {
    setTheme(value);
    setNow(value);
  };
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: "right" }}
      toggle={(ref) => (
        <MenuToggle ref={ref} onClick={() => setOpen(!open)} isExpanded={open} aria-label={`${me.name}: account and appearance`}>
          {me.name}
        </MenuToggle>
      )}
    >
      <DropdownList>
        <DropdownItem key="my" onClick={() => navigate("/my")}>My desktops</DropdownItem>
        <DropdownItem key="password" onClick={() => navigate("/password")}>Change password</DropdownItem>
        <DropdownItem key="factor" onClick={() => navigate("/second-factor")}>Second factor</DropdownItem>
        <DropdownItem key="logins" onClick={() => navigate("/logins")}>Where I am logged in</DropdownItem>
        {(["system", "light", "dark"] as const).map((value) => (
          <DropdownItem key={value} isSelected={now === value} onClick={() => pick(value)}>
            {{ system: "Appearance: as the system", light: "Appearance: light", dark: "Appearance: dark" }[value]}
          </DropdownItem>
        ))}
        {LanguageItems()}
        <DropdownItem key="out" onClick={() => leave()}>Log out</DropdownItem>
      </DropdownList>
    </Dropdown>
  );
}

/** Said while there is no stream of events, and not before it is clear that it does not come back at once. */
function Cut() {
  const flowing = useFlowing();
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (flowing) {
      setLate(false);
      return;
    }
    const timer = window.setTimeout(() => setLate(true), 1500);
    return () => window.clearTimeout(timer);
  }, [flowing]);
  if (!late || flowing) return null;
  return <Alert component="h2" variant="warning" isInline title="Live updates are cut: what is shown may be old. Connecting again" />;
}

/** Who is here and what the site looks like, as they are now and not as they were at the login. */
function useNews(first: Me) {
  const me = useItem<Me>("/me", ["me"]), branding = useItem<Branding>("/branding", ["site"]);
  useEffect(() => {
    if (branding.data) setBranding(branding.data);
  }, [branding.data]);
  return me.data ?? first;
}

function Shell({ me: first, leave }: { me: Me; leave: (everywhere?: boolean) => void }) {
  const { parts } = useRoute();
  const me = useNews(first);
  useBranding();
  setRole(me.role, me.pools);
  const admin = me.role !== "user" || Boolean(me.pools?.length);
  useLiveUpdates(true);
  if (parts[0] === "connect" && parts[1])
    return (
      <Suspense fallback={<Loading what="the viewer" />}>
        <Viewer key={parts[1]} name={parts[1]} />
      </Suspense>
    );
  if (parts[0] === "shadow" && parts[1] && (parts[2] === "view" || parts[2] === "control"))
    return (
      <Suspense fallback={<Loading what="the viewer" />}>
        <Viewer key={parts.join("/")} name={parts[3] ?? "session"} shadow={{ session: parts[1], mode: parts[2] }} />
      </Suspense>
    );
  const section = UNDER[parts[0]] ?? parts[0] ?? (!admin ? "my" : may("GET /hosts") ? "overview" : "pools");
  const masthead = (
    <Masthead>
      <MastheadMain>
        {admin && (
          <MastheadToggle>
            <PageToggleButton isHamburgerButton aria-label="Navigation" />
          </MastheadToggle>
        )}
        <MastheadBrand>
          <Link to="/" className="pane-home"><Brand>{siteName()}</Brand></Link>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isStatic>
          <ToolbarContent>
            <ToolbarItem align={{ default: "alignEnd" }}><UserMenu me={me} leave={leave} /></ToolbarItem>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  );
  const sidebar = admin ? (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label="Console">
          <NavList>
            {NAV.filter(([, , call]) => may(call)).map(([id, title]) => (
              <NavItem key={id} itemId={id} isActive={section === id} to={`#/${id}`}>{title}</NavItem>
            ))}
          </NavList>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  ) : undefined;
  const skip = (event: { preventDefault: () => void }) => {
    event.preventDefault(); // the address after # is ours
    document.getElementById("main")?.focus();
  };
  return (
    <Frame
      masthead={masthead}
      sidebar={sidebar}
      isManagedSidebar={admin}
      mainContainerId="main"
      skipToContent={<SkipToContent href="#main" onClick={skip}>Skip to content</SkipToContent>}
    >
      <Cut />
      {admin ? adminPage(parts, leave) : portalPage(parts, leave)}
    </Frame>
  );
}

export function App() {
  const [me, setMe] = useState<Me>();
  const [asking, setAsking] = useState(true);
  const [away, setAway] = useState(false);
  const [ended, setEnded] = useState(false);

  useEffect(() => {
    whenLoginEnds(() => {
      forget();
      forgetPictures();
      setMe(undefined);
      setEnded(true);
    });
  }, []);
  useEffect(() => {
    let timer = 0;
    const ask = () =>
      whoAmI().then(
        (who) => { setMe(who); setAway(false); setAsking(false); },
        () => { setAway(true); timer = window.setTimeout(ask, 2000); }, // the broker is away, not the login
      );
    void ask();
    return () => window.clearTimeout(timer);
  }, []);

  /** What the answer to a login does not say: in which pools one is more than elsewhere. */
  const entered = async (who: Me) => {
    const whole = await whoAmI().catch(() => undefined);
    setEnded(false);
    setMe(whole ?? who);
  };
  const leave = async (everywhere = false) => {
    try {
      await (everywhere ? logoutEverywhere() : logout());
    } catch (problem) {
      say("The server could not be told: this browser may still be logged in", problem);
    }
    forget();
    forgetPictures();
    setEnded(false);
    setMe(undefined);
    navigate("/");
  };
  const { parts } = useRoute();
  let body: ReactNode;
  if (parts[0] === "welcome") body = <Welcome token={parts[1] ?? ""} />;
  else if (me) body = <Shell me={me} leave={(everywhere) => void leave(everywhere)} />;
  else if (asking && away)
    body = (
      <main className="pane-login">
        <Nothing title="The server does not answer" action={<Button variant="link" onClick={() => window.location.reload()}>Try now</Button>}>
          Desktops that are open go on. This page tries again by itself.
        </Nothing>
      </main>
    );
  else if (asking) body = <Loading what="your login" />;
  else body = <Login ended={ended} onLogin={(who) => void entered(who)} />;
  return (
    <>
      {body}
      <Toasts />
    </>
  );
}
