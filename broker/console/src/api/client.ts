// SPDX-License-Identifier: GPL-3.0-or-later
// The broker's REST API. Who is here is known by a cookie that no script can read: nothing of a login is kept in the page.
import type { Error as ErrorBody, Login, Me, OidcBegun } from "#schema";

/** What went wrong, as the broker said it: what happened and what to do, one reason per candidate, an id. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly reasons: string[] = [],
    readonly id = "",
  ) {
    super(message);
  }
}

/** The server knew who we are when it was last asked. */
let known = false;
let onEnded: () => void = () => {};

export function whenLoginEnds(fn: () => void) {
  onEnded = fn;
}


async function errorOf(answer: Response): Promise<ApiError> {
  const body = (await answer.json().catch(() => null)) as ErrorBody | null;
  const e = body?.error;
  if (!e) return new ApiError(answer.status, "http", `The server answered ${answer.status} without a reason.`);
  return new ApiError(answer.status, e.code, e.message, e.reasons, e.id);
}

export async function raw(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["Content-Type"] = body instanceof Blob ? "application/octet-stream" : "application/json";
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
      cache: "no-store",
      signal,
    });
  } catch (problem) {
    if (signal?.aborted) throw problem;
    throw new ApiError(0, "network", "The server cannot be reached. Check the network; this page tries again by itself.");
  }
  if (answer.status === 401 && known) {
    known = false;
    onEnded();
  }
  if (!answer.ok) throw await errorOf(answer);
  return answer;
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await raw(method, path, body);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export const api = {
  get: <T>(path: string) => call<T>("GET", path),
  post: <T = unknown>(path: string, body: unknown = {}) => call<T>("POST", path, body),
  patch: <T = unknown>(path: string, body: unknown) => call<T>("PATCH", path, body),
  remove: (path: string) => call<unknown>("DELETE", path),
  /** Every page of a list. */
  async list<T>(path: string, max = 20000): Promise<T[]> {
    const items: T[] = [];
    for (let after: string | undefined = ""; after !== undefined && items.length < max; ) {
      const query: string = after ? `?limit=5000&after=${encodeURIComponent(after)}` : "?limit=5000";
      const page: { items: T[]; next?: string } = await call("GET", path + query);
      items.push(...page.items);
      after = page.next;
    }
    return items;
  },
};

export async function login(user: string, password: string, code: string): Promise<Login> {
  const answer = await call<Login>("POST", "/login", { user, password, cookie: true, ...(code ? { code } : {}) });
  known = true;
  return answer;
}

// ---- a login provider ----

/** What the provider sent the browser back with; taken out of the address at once. */
export type Back = { state: string; code?: string; iss?: string; error?: string };

export function backFromProvider(): Back | undefined {
  const query = new URLSearchParams(window.location.search);
  const state = query.get("state");
  if (!state) return undefined;
  window.history.replaceState(null, "", `${window.location.pathname}${window.location.hash}`);
  const word = (name: string) => query.get(name) ?? undefined;
  return { state, code: word("code"), iss: word("iss"), error: word("error_description") ?? word("error") };
}

/** Off to the provider, which sends the browser back here. */
export async function goToProvider() {
  window.location.assign((await call<OidcBegun>("POST", "/oidc/begin")).url);
}

/** totp: a code of the second factor, once it was asked for. */
export async function finishAtProvider(back: Back, totp: string): Promise<Login> {
  const { state, code, iss } = back;
  const answer = await call<Login>("POST", "/oidc/finish", totp ? { state, totp } : { state, ...(code ? { code } : {}), ...(iss ? { iss } : {}) });
  known = true;
  return answer;
}

/** Who the browser's cookie stands for; undefined where nobody is logged in. */
export async function whoAmI(): Promise<Me | undefined> {
  try {
    const me = await call<Me>("GET", "/me");
    known = true;
    return me;
  } catch (problem) {
    if (problem instanceof ApiError && problem.status === 401) return undefined;
    throw problem;
  }
}

export async function logout() {
  known = false;
  await call("POST", "/logout");
}

/** Every login of this person, this one too. */
export async function logoutEverywhere() {
  known = false;
  await call("DELETE", "/me/logins");
}

/** A name as one segment of a path. */
export const seg = encodeURIComponent;
