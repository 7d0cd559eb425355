/** @topology one: measures the memory of one process */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { picture } from '../../examples/blockpass-fakes/index.ts';
import { imageTypeOf } from '../../src/blockpass/app/image.ts';
import { UploadMemory } from '../../src/blockpass/app/upload-memory.ts';
import { type BlockpassWorld, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import { DeleteAccountDocument } from '../support/generated/operations.ts';
import { claiming, pngChunk, withChunks } from '../support/pictures.ts';
import { elapse, eventually } from '../support/race.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld();
});
afterAll(() => world.close());

const MB = 1024 * 1024;
const BOUNDARY = 'X1';

interface Part {
  name: string;
  bytes: Buffer | string;
  fileName?: string;
}

const partOf = ({ name, bytes, fileName }: Part): Buffer =>
  Buffer.concat([
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${fileName === undefined ? '' : `; filename="${fileName}"`}\r\n` +
        (fileName === undefined ? '\r\n' : 'Content-Type: image/jpeg\r\n\r\n'),
    ),
    Buffer.from(bytes as string),
    Buffer.from('\r\n'),
  ]);
const formOf = (parts: readonly Part[]): Buffer =>
  Buffer.concat([...parts.map(partOf), Buffer.from(`--${BOUNDARY}--\r\n`)]);

interface Reply {
  status: number;
  body: { err?: number; msg?: string };
}

/** Sends a body in the given way, and reads the reply even when that comes before the end of the body. */
function send(
  write: (put: (chunk: Buffer) => Promise<boolean>) => Promise<void>,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let over = false;
    const outgoing = request(
      `${world.gateway.url}/blockpass/api/uploadData`,
      {
        method: 'POST',
        ...(signal && { signal }),
        headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => {
          over = true;
          outgoing.destroy();
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) });
        });
      },
    );
    outgoing.on('error', (error) => (over ? undefined : reject(error)));
    const put = (chunk: Buffer) =>
      new Promise<boolean>((done) => {
        if (over || outgoing.destroyed) return done(false);
        outgoing.write(chunk, (error) => done(!error));
      });
    write(put)
      .then(() => over || outgoing.end())
      .catch(reject);
  });
}

const sendWhole = (body: Buffer, headers: Record<string, string> = {}) =>
  send(async (put) => void (await put(body)), { 'content-length': String(body.length), ...headers });

async function aPass(): Promise<{ accessToken: string; id: string }> {
  const app = world.person();
  const { accessToken = '' } = await app.register();
  return { accessToken, id: app.person.id };
}

const stored = async (id: string): Promise<number> => {
  const rows = await world.gateway.database.query('select from kyc_record where blockpass_id = $1', [id]);
  return rows.length;
};

const selfie = (bytes: Buffer | string, fileName = 'selfie.jpg'): Part => ({
  name: 'selfie',
  bytes,
  fileName,
});
const pass = (accessToken: string): Part => ({ name: 'accessToken', bytes: accessToken });

describe('an upload', () => {
  it('is stored up to the largest picture; with one byte more it is refused, and nothing is stored', async () => {
    const whole = picture(2_000, 2_000);
    // An ancillary chunk, which no decoder needs, before the end.
    const padded = (size: number) =>
      withChunks(whole, pngChunk('teXt', Buffer.alloc(size - whole.length - 12, 'x')));
    const good = await aPass();
    expect(
      await sendWhole(
        formOf([pass(good.accessToken), { name: 'email', bytes: 'a@b.test' }, selfie(padded(6 * MB))]),
      ),
    ).toMatchObject({ status: 200 });
    expect(await stored(good.id)).toBe(1);
    const bad = await aPass();
    const reply = await sendWhole(
      formOf([pass(bad.accessToken), { name: 'email', bytes: 'a@b.test' }, selfie(padded(6 * MB + 1))]),
    );
    expect(reply).toEqual({ status: 413, body: { err: 413, msg: 'The request body is too large.' } });
    expect(await stored(bad.id)).toBe(0);
  });

  it.each([
    ['a text of more than 4 kB', [{ name: 'email', bytes: 'x'.repeat(4_097) }]],
    [
      'a certificate of more than 128 kB',
      [{ name: '[cer]onfido-service-cert', bytes: `{"a":"${'x'.repeat(131_072)}"}` }],
    ],
    ['a thousand parts', Array.from({ length: 1_000 }, (_, index) => ({ name: `part${index}`, bytes: 'x' }))],
    [
      'a thousand fields of one name',
      Array.from({ length: 1_000 }, () => ({ name: 'slugList', bytes: 'email' })),
    ],
  ])('with %s is refused as too large', async (_what, parts) => {
    const { accessToken, id } = await aPass();
    expect((await sendWhole(formOf([pass(accessToken), ...parts]))).status).toBe(413);
    expect(await stored(id)).toBe(0);
  });

  it('with too large a Content-Length is refused before its body', async () => {
    const reply = await send(
      async () => {
        await elapse(2_000, 'the answer must come before the body');
      },
      { 'content-length': String(17 * MB) },
    );
    expect(reply.status).toBe(413);
  });

  it('with an endless body is refused early, within bounded memory', async () => {
    const { accessToken, id } = await aPass();
    const before = process.memoryUsage.rss();
    let peak = 0;
    let sent = 0;
    const reply = await send(async (put) => {
      await put(partOf(pass(accessToken)));
      await put(
        Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="junk"; filename="x"\r\n\r\n`),
      );
      const chunk = randomBytes(256 * 1024);
      while (sent < 200 * MB && (await put(chunk))) {
        sent += chunk.length;
        peak = Math.max(peak, process.memoryUsage.rss());
      }
    });
    expect(reply).toEqual({ status: 413, body: { err: 413, msg: 'The request body is too large.' } });
    expect(sent).toBeLessThan(40 * MB);
    expect(peak - before).toBeLessThan(64 * MB);
    expect(await stored(id)).toBe(0);
  });

  it('in parts of one byte is refused early, within bounded memory', async () => {
    const { accessToken, id } = await aPass();
    const head = Buffer.concat([
      partOf(pass(accessToken)),
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="selfie"; filename="x"\r\n\r\n`),
    ]);
    const { host, port, hostname } = new URL(world.gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /blockpass/api/uploadData HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n` +
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n${head.length.toString(16)}\r\n${head}\r\n`,
    );
    const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
    socket.on('error', () => {});
    const before = process.memoryUsage.rss();
    let peak = 0;
    let sent = 0;
    // 4 MB of such parts are within every other limit.
    const bytes = Buffer.from('1\r\nx\r\n'.repeat(10_000));
    while (sent < 4 * MB && !socket.destroyed) {
      const isMore = socket.write(bytes);
      sent += 10_000;
      peak = Math.max(peak, process.memoryUsage.rss());
      if (!isMore) await elapse(10, 'the pace of an attacker who does not wait for room');
    }
    expect(await answered).toMatch(/^HTTP\/1\.1 413 /);
    expect(peak - before).toBeLessThan(64 * MB);
    expect(await stored(id)).toBe(0);
    socket.destroy();
  });

  it('with a false Content-Length, or one that breaks off, leaves no data', async () => {
    const { accessToken, id } = await aPass();
    const body = formOf([pass(accessToken), { name: 'email', bytes: 'a@b.test' }, selfie(picture())]);
    const breakOff = new AbortController();
    const half = send(
      async (put) => {
        await put(body.subarray(0, 200));
        await once(breakOff.signal, 'abort');
      },
      { 'content-length': String(body.length) },
      breakOff.signal,
    );
    await expect(
      Promise.race([half, elapse(1_500, 'no answer must come').then(() => 'waits')]),
    ).resolves.toBe('waits');
    expect(await stored(id)).toBe(0);
    const other = await aPass();
    const shortened = formOf([pass(other.accessToken), selfie(picture())]);
    const cut = await sendWhole(shortened.subarray(0, 150), { 'content-length': '150' });
    expect(cut.status).toBe(400);
    expect(await stored(other.id)).toBe(0);
    // Otherwise the gateway waits ten seconds for the rest when it closes.
    breakOff.abort();
    await expect(half).rejects.toThrow('aborted');
    expect(await stored(id)).toBe(0);
  });

  it('that is in progress while the account is deleted leaves no data', async () => {
    const page = await SignInPage.open(world.gateway.browser());
    const app = world.person();
    await app.scan(page.qrText);
    const { accessToken: bearer } = await page.signedIn();
    const { accessToken = '' } = await app.resubmit(['email', 'selfie'], []);
    const body = formOf([pass(accessToken), { name: 'email', bytes: 'a@b.test' }, selfie(picture())]);
    const shown = () =>
      world.gateway.database.query('select from upload_pass where blockpass_id = $1', [app.person.id]);
    const reply = await send(
      async (put) => {
        const head = partOf(pass(accessToken)).length + 20;
        await put(body.subarray(0, head));
        await eventually(shown, (passes) => passes.length === 0);
        const { data } = await world.gateway.client.execute(DeleteAccountDocument, {}, { bearer });
        expect(data).toEqual({ deleteAccount: true });
        await put(body.subarray(head));
      },
      { 'content-length': String(body.length) },
    );
    expect(reply.status).toBe(404);
    expect(await stored(app.person.id)).toBe(0);
  });

  it('whose values come before its token is stored only while they are small', async () => {
    const small = await aPass();
    const late = [{ name: 'email', bytes: 'a@b.test' }, selfie(picture()), pass(small.accessToken)];
    expect((await sendWhole(formOf(late))).status).toBe(200);
    const large = await aPass();
    const body = formOf([selfie(Buffer.alloc(70_000)), pass(large.accessToken)]);
    expect((await sendWhole(body)).status).toBe(413);
  });

  it('is refused without a token, with two, with a part twice, or when it is not a form', async () => {
    const { accessToken } = await aPass();
    expect((await sendWhole(formOf([{ name: 'email', bytes: 'a' }]))).status).toBe(400);
    expect((await sendWhole(formOf([pass(accessToken), pass(accessToken)]))).status).toBe(400);
    const twice = { name: 'email', bytes: 'a@b.test' };
    expect((await sendWhole(formOf([pass((await aPass()).accessToken), twice, twice]))).status).toBe(400);
    expect((await sendWhole(Buffer.from('{}'), { 'content-type': 'application/json' })).status).toBe(400);
    expect((await sendWhole(Buffer.from('x'), { 'content-type': 'multipart/form-data' })).status).toBe(400);
    expect((await sendWhole(Buffer.from('<x/>'), { 'content-type': 'text/xml' })).status).toBe(415);
  });

  it.each([
    ['HTML', '<html><script>alert(1)</script></html>'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'],
    ['PDF', '%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>endobj'],
    ['ZIP', Buffer.from('504b030414000000', 'hex')],
    ['a Windows program', Buffer.from('4d5a90000300000004000000', 'hex')],
    ['a Linux program', Buffer.from('7f454c4602010100', 'hex')],
    ['GIF', 'GIF89a\u0001\u0000\u0001\u0000'],
    ['nothing', ''],
    ['a PNG of 50,000 by 50,000 pixels', claiming(50_000, 50_000)],
    ['a PNG with half of its rows', claiming(16, 32)],
    ['a PNG with something behind it', Buffer.concat([picture(), Buffer.from('504b0304', 'hex')])],
    ['half a JPEG header', Buffer.from('ffd8ffe000104a46', 'hex')],
  ])('of %s is refused, although its name is selfie.jpg', async (_what, bytes) => {
    const { accessToken, id } = await aPass();
    const reply = await sendWhole(
      formOf([pass(accessToken), { name: 'email', bytes: 'a@b.test' }, selfie(bytes)]),
    );
    expect(reply).toMatchObject({ status: 400, body: { err: 400, msg: expect.stringContaining('selfie') } });
    expect(await stored(id)).toBe(0);
  });

  it.each([
    ['text that is not UTF-8', Buffer.from([0x61, 0xff, 0xfe])],
    ['text with a NUL', 'a\u0000b'],
    ['nothing but space', '  '],
  ])('with %s in a field is refused', async (_what, bytes) => {
    const { accessToken } = await aPass();
    const reply = await sendWhole(formOf([pass(accessToken), { name: 'email', bytes }, selfie(picture())]));
    expect(reply).toMatchObject({ status: 400, body: { msg: expect.stringContaining('email') } });
  });

  it.each([
    '../../../etc/passwd',
    '/absolute',
    'a%00b',
    'a\0b',
    'x'.repeat(1_500),
    'CON',
    'a%0d%0aSet-Cookie: x=y',
    // A header line within the file name.
    'a.jpg"\r\nSet-Cookie: x=y\r\nX: "',
  ])('does not store the file name %.40s', async (fileName) => {
    const { accessToken, id } = await aPass();
    const body = formOf([
      pass(accessToken),
      { name: 'email', bytes: 'a@b.test' },
      selfie(picture(), fileName),
    ]);
    expect((await sendWhole(body)).status).toBe(200);
    const rows = await world.gateway.database.query(
      'select i.slug, i.content_type, r.* from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1',
      [id],
    );
    expect(JSON.stringify(rows)).not.toContain(JSON.stringify(fileName).slice(1, -1));
    expect(JSON.stringify(rows)).not.toMatch(/Set-Cookie|passwd/);
  });
});

describe('the memory for uploads', () => {
  it('gets all of it back, even from a reader that goes on after its upload was refused', () => {
    const memory = new UploadMemory();
    for (let round = 0; round < 10; round++) {
      const account = memory.open();
      account.take(20 * MB);
      account.close();
      expect(() => account.take(20 * MB)).toThrow('the upload is over');
      account.close();
    }
    expect(() => memory.open().take(32 * MB)).not.toThrow();
    expect(() => memory.open().take(1)).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  });

  it('exchanges the charge of an uploaded picture for that of the stored one, within the same bound', () => {
    const memory = new UploadMemory();
    const account = memory.open();
    account.take(20 * MB);
    account.exchange(20 * MB, 2 * MB);
    memory.open().take(30 * MB);
    expect(() => account.exchange(2 * MB, 3 * MB)).toThrow(
      expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }),
    );
    account.close();
    expect(() => account.exchange(0, 0)).toThrow('the upload is over');
    expect(() => memory.open().take(2 * MB)).not.toThrow();
  });
});

describe('pictures', () => {
  const jpeg = (width: number, height: number, comment = ''): Buffer => {
    const size = Buffer.alloc(4);
    size.writeUInt16BE(height, 0);
    size.writeUInt16BE(width, 2);
    const note = Buffer.from(comment);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(note.length + 2);
    return Buffer.concat([
      Buffer.from('ffd8fffe', 'hex'),
      length,
      note,
      Buffer.from('ffc0000b08', 'hex'),
      size,
      Buffer.from('0101110000ffd9', 'hex'),
    ]);
  };

  it('are JPEG or PNG, and within the allowed size', () => {
    expect(imageTypeOf(jpeg(4_000, 3_000))).toBe('image/jpeg');
    expect(imageTypeOf(picture())).toBe('image/png');
    expect(imageTypeOf(jpeg(50_000, 50_000))).toBeNull();
    expect(imageTypeOf(jpeg(0, 100))).toBeNull();
    expect(imageTypeOf(claiming(6_000, 6_000))).toBe('image/png');
    expect(imageTypeOf(claiming(6_000, 6_001))).toBeNull();
    expect(imageTypeOf(claiming(12_001, 10))).toBeNull();
  });

  it('are refused when they hold a second format', () => {
    expect(imageTypeOf(jpeg(10, 10, '%PDF-1.7 and then some'))).toBeNull();
    const archive = Buffer.from('504b0304', 'hex');
    expect(imageTypeOf(Buffer.concat([jpeg(10, 10), archive]))).toBeNull();
    const png = picture();
    expect(imageTypeOf(Buffer.concat([png, archive]))).toBeNull();
    // Between the chunks, so that header and end are correct.
    expect(imageTypeOf(Buffer.concat([png.subarray(0, 33), archive, png.subarray(33)]))).toBeNull();
    expect(imageTypeOf(Buffer.concat([png.subarray(0, 33), archive, png.subarray(-12)]))).toBeNull();
  });

  it('have correct PNG checksums, even in chunks that no decoder needs', () => {
    const png = withChunks(picture(), pngChunk('teXt', Buffer.from('k\0v')));
    expect(imageTypeOf(png)).toBe('image/png');
    for (const chunk of ['IHDR', 'IDAT', 'teXt', 'IEND']) {
      const altered = Buffer.from(png);
      const at = png.indexOf(chunk);
      const checksumAt = at + 4 + png.readUInt32BE(at - 4);
      altered.writeUInt8(altered.readUInt8(checksumAt) ^ 1, checksumAt);
      expect([chunk, imageTypeOf(altered)]).toEqual([chunk, null]);
    }
  });

  it('are complete', () => {
    expect(imageTypeOf(jpeg(10, 10).subarray(0, -2))).toBeNull();
    const png = picture();
    for (const length of [8, 20, 33, png.length - 12, png.length - 1]) {
      expect([length, imageTypeOf(png.subarray(0, length))]).toEqual([length, null]);
    }
  });
});
