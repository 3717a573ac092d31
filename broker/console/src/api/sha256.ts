// SPDX-License-Identifier: GPL-3.0-or-later
// SHA-256 (FIPS 180-4) over a file piece by piece: the browser's own digest wants a whole file in memory.
const K = new Uint32Array(64);
const FIRST = new Uint32Array(8);

/** The first 32 bits of the fraction of x. */
function fraction(x: number) {
  return ((x - Math.floor(x)) * 2 ** 32) >>> 0;
}

for (let n = 2, i = 0; i < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
  if (!prime) continue;
  if (i < 8) FIRST[i] = fraction(Math.sqrt(n));
  K[i++] = fraction(Math.cbrt(n));
}

export class Sha256 {
  private h = FIRST.slice();
  private w = new Uint32Array(64);
  private rest = new Uint8Array(64);
  private n = 0; // bytes in rest
  private total = 0;

  update(data: Uint8Array) {
    this.total += data.length;
    let at = 0;
    if (this.n) {
      at = Math.min(64 - this.n, data.length);
      this.rest.set(data.subarray(0, at), this.n);
      this.n += at;
      if (this.n < 64) return;
      this.block(this.rest, 0);
      this.n = 0;
    }
    for (; at + 64 <= data.length; at += 64) this.block(data, at);
    this.rest.set(data.subarray(at));
    this.n = data.length - at;
  }

  hex() {
    const bits = this.total * 8;
    const end = new Uint8Array(this.n < 56 ? 64 - this.n : 128 - this.n);
    end[0] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(end.length - 4, bits >>> 0);
    this.update(end);
    return [...this.h].map((x) => x.toString(16).padStart(8, "0")).join("");
  }

  private block(p: Uint8Array, at: number) {
    const { w, h } = this;
    for (let i = 0; i < 16; i++, at += 4) w[i] = (p[at] << 24) | (p[at + 1] << 16) | (p[at + 2] << 8) | p[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + (((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)) + (((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10));
    }
    let [a, b, c, d, e, f, g, k] = h;
    for (let i = 0; i < 64; i++) {
      const t = (k + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const u = ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      k = g; g = f; f = e; e = (d + t) | 0; d = c; c = b; b = a; a = (t + u) | 0;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
  }
}
