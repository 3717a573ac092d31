// SPDX-License-Identifier: GPL-3.0-or-later
// The broker's REST API. The token lives in this tab's sessionStorage: it ends with the tab.
import type { Error as ErrorBody, Login } from "#schema";

const KEY = "pane.token";

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

let token = sessionStorage.getItem(KEY);
let onEnded: () => void = () => {};

export function whenLoginEnds(fn: () => void) {
  onEnded = fn;
}

export function hasToken() {
  return token !== null;
}

function setToken(value: string | null) {
  token = value;
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}

async function errorOf(answer: Response): Promise<ApiError> {
  const body = (await answer.json().catch(() => null)) as ErrorBody | null;
  const e = body?.error;
  if (!e) return new ApiError(answer.status, "http", `The server answered ${answer.status} without a reason.`);
  return new ApiError(answer.status, e.code, e.message, e.reasons, e.id);
}

export async function raw(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal,
    });
  } catch (problem) {
    if (signal?.aborted) throw problem;
    throw new ApiError(0, "network", "The server cannot be reached. Check the network; this page tries again by itself.");
  }
  if (answer.status === 401 && token) {
    setToken(null);
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
  const answer = await call<Login>("POST", "/login", code ? { user, password, code } : { user, password });
  setToken(answer.token);
  return answer;
}

export async function logout() {
  try {
    await call("POST", "/logout");
  } finally {
    setToken(null);
  }
}

/** A name as one segment of a path. */
export const seg = encodeURIComponent;
