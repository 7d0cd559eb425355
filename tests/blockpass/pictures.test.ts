/** @topology one: measures the memory and the event loop of one process */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { picture } from '../../examples/blockpass-fakes/index.ts';
import { imageTypeOf } from '../../src/blockpass/app/image.ts';
import { PictureDecoder } from '../../src/blockpass/app/picture-decoder.ts';
import { type BlockpassWorld, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import { ApproveKycDocument, StartKycReviewDocument } from '../support/generated/operations.ts';
import { pngChunk, withChunks, withChunksFirst } from '../support/pictures.ts';
import { elapse } from '../support/race.ts';

const decoder = new PictureDecoder();
const encoded = async (received: Buffer): Promise<Buffer> => {
  const anew = await decoder.encodeAnew(received);
  if (!anew) throw new Error('it was refused');
  return anew;
};

const END_OF_JPEG = Buffer.from('ffd9', 'hex');
const canvas = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#c04020' } });
let jpeg: Buffer;
/** The offset at which the coefficients of the JPEG begin: behind the header of its only scan. */
let scan: number;
beforeAll(async () => {
  jpeg = await canvas(64, 48).jpeg().toBuffer();
  const marker = jpeg.indexOf(Buffer.from('ffda', 'hex'));
  scan = marker + 2 + jpeg.readUInt16BE(marker + 2);
});

/** 500 MB of zeros, compressed by deflate. */
let bomb: Buffer;
beforeAll(() => {
  bomb = deflateSync(Buffer.alloc(500_000_000), { level: 1 });
});

describe('a stored picture', () => {
  it('has the same pixels and format as the uploaded one', async () => {
    const png = picture();
    const pixels = (bytes: Buffer) => sharp(bytes).raw().toBuffer();
    const anew = await encoded(png);
    expect(imageTypeOf(anew)).toBe('image/png');
    expect(await pixels(anew)).toEqual(await pixels(png));
    const jpegAnew = await encoded(jpeg);
    expect(imageTypeOf(jpegAnew)).toBe('image/jpeg');
    expect(await sharp(jpegAnew).metadata()).toMatchObject({ width: 64, height: 48 });
  });

  it('has no metadata, and has the orientation that EXIF named', async () => {
    const withExif = await sharp(jpeg)
      .withMetadata({ orientation: 6 })
      .withExifMerge({ IFD0: { Artist: 'Ada Lovelace' }, IFD3: { GPSLatitude: '51/1 30/1 0/1' } })
      .keepIccProfile()
      .toBuffer();
    expect(withExif.includes('Ada Lovelace')).toBe(true);
    const anew = await encoded(withExif);
    const { width, height, exif, icc, orientation } = await sharp(anew).metadata();
    expect({ width, height, exif, icc, orientation }).toEqual({
      width: 48,
      height: 64,
      exif: undefined,
      icc: undefined,
      orientation: undefined,
    });
    expect(anew.includes('Ada Lovelace')).toBe(false);
  });

  it('contains no data that was appended or hidden in the upload', async () => {
    const secret = Buffer.from('PK\u0003\u0004<script>alert(1)</script>%PDF-1.7');
    const hidden = {
      'behind the end of a JPEG': Buffer.concat([jpeg, secret, END_OF_JPEG]),
      'in a comment of a JPEG': Buffer.concat([
        jpeg.subarray(0, 2),
        Buffer.from([0xff, 0xfe, 0, secret.length + 2]),
        secret,
        jpeg.subarray(2),
      ]),
      'in a text of a PNG': withChunks(
        picture(),
        pngChunk('tEXt', Buffer.concat([Buffer.from('k\0'), secret])),
      ),
      'in an unknown chunk of a PNG': withChunks(picture(), pngChunk('abCd', secret)),
    };
    for (const [where, bytes] of Object.entries(hidden)) {
      const anew = await encoded(bytes);
      expect([where, anew.includes('PK'), anew.includes('script'), anew.includes('%PDF')]).toEqual([
        where,
        false,
        false,
        false,
      ]);
    }
  });

  it('has only the first frame of an animated PNG', async () => {
    const control = Buffer.alloc(8);
    control.writeUInt32BE(5_000, 0);
    const frames = Array.from({ length: 5_000 }, (_, index) => {
      const data = Buffer.alloc(30);
      data.writeUInt32BE(index, 0);
      return pngChunk('fdAT', data);
    });
    const png = picture();
    const animated = withChunks(withChunksFirst(png, pngChunk('acTL', control)), ...frames);
    expect(await encoded(animated)).toEqual(await encoded(png));
  });

  it('has at most 6 MB: a larger one is scaled down until it fits', async () => {
    // Noise of medium quality takes twice as many bytes at the quality of stored pictures.
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const large = await sharp({
      create: { width: 3_500, height: 3_500, channels: 3, noise, background: '#000' },
    })
      .jpeg({ quality: 50 })
      .toBuffer();
    expect(large.length).toBeLessThan(6 * 1024 * 1024);
    const anew = await encoded(large);
    expect(anew.length).toBeLessThanOrEqual(6 * 1024 * 1024);
    const { width = 0, height } = await sharp(anew).metadata();
    expect(width).toBe(height);
    expect(width).toBeGreaterThan(2_500);
  }, 60_000);
});

describe('a file that only looks like a picture', () => {
  const outside = (bytes: Buffer) => imageTypeOf(bytes) !== null;

  it.each([
    ['a JPEG without a scan', () => Buffer.concat([jpeg.subarray(0, 200), END_OF_JPEG])],
    [
      'a JPEG of 5 MB of "MZ" before the scan',
      () => {
        const marker = jpeg.indexOf(Buffer.from('ffda', 'hex'));
        return Buffer.concat([jpeg.subarray(0, marker), Buffer.alloc(5_000_000, 'MZ'), END_OF_JPEG]);
      },
    ],
    ['half a JPEG', () => Buffer.concat([jpeg.subarray(0, scan + 4), END_OF_JPEG])],
    [
      'a PNG with fewer rows than its header says',
      () => {
        const header = Buffer.from(picture().subarray(16, 29));
        header.writeUInt32BE(32, 4);
        const png = picture();
        return Buffer.concat([png.subarray(0, 8), pngChunk('IHDR', header), png.subarray(33)]);
      },
    ],
    [
      'a PNG with a false checksum of its pixels',
      () => {
        const png = picture();
        const at = png.indexOf('IDAT');
        const data = Buffer.from(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
        // Only the Adler-32 of zlib is wrong. The checksum of the chunk is right.
        data.writeUInt8(data.readUInt8(data.length - 1) ^ 1, data.length - 1);
        return Buffer.concat([
          png.subarray(0, 33),
          pngChunk('IDAT', data),
          pngChunk('IEND', Buffer.alloc(0)),
        ]);
      },
    ],
  ])('is refused: %s', async (_what, make) => {
    const bytes = make();
    expect(outside(bytes)).toBe(true);
    expect(await decoder.encodeAnew(bytes)).toBeNull();
  });

  it.each(['svg', 'gif', 'webp', 'tiff'] as const)('is not decoded when it is %s', async (format) => {
    const bytes =
      format === 'svg'
        ? Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
        : await canvas(9, 9).toFormat(format).toBuffer();
    expect(outside(bytes)).toBe(false);
    expect(await decoder.encodeAnew(bytes)).toBeNull();
  });
});

describe('the decoder', () => {
  it.each([
    ['zTXt', Buffer.from('k\0\0')],
    ['iTXt', Buffer.from('k\0\u0001\0\0\0')],
    ['iCCP', Buffer.from('k\0\0')],
    ['IDAT', Buffer.alloc(0)],
  ])(
    'does not inflate 500 MB of %s',
    async (type, head) => {
      const png = picture();
      const bytes =
        type === 'IDAT'
          ? Buffer.concat([png.subarray(0, 33), pngChunk('IDAT', bomb), pngChunk('IEND', Buffer.alloc(0))])
          : withChunksFirst(png, pngChunk(type, Buffer.concat([head, bomb])));
      expect(bytes.length).toBeLessThan(6 * 1024 * 1024);
      expect(outcome(await decoder.encodeAnew(bytes))).toMatch(/^(refused|at most 2 kB)$/);
      expect(await peakOf(bytes)).toBeLessThan(150);
    },
    30_000,
  );

  it('needs at most 500 MB for the most expensive picture that is accepted', async () => {
    const worst = await canvas(6_000, 6_000)
      .jpeg({ progressive: true, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    expect(imageTypeOf(worst)).toBe('image/jpeg');
    const peak = await peakOf(worst);
    // Without this the test would measure something else.
    expect(peak).toBeGreaterThan(200);
    expect(peak).toBeLessThan(500);
  }, 60_000);

  it('runs without blocking the event loop of the gateway', async () => {
    const large = await canvas(5_000, 4_000).png().toBuffer();
    let worst = 0;
    let isDone = false;
    const watch = (async () => {
      while (!isDone) {
        const before = performance.now();
        await elapse(5, 'how late it ends is what is measured');
        worst = Math.max(worst, performance.now() - before);
      }
    })();
    const began = performance.now();
    await encoded(large);
    isDone = true;
    await watch;
    expect(worst).toBeLessThan((performance.now() - began) / 2);
  });

  it('is stopped when it takes too long, and the next picture is decoded', async () => {
    const hasty = new PictureDecoder({ time: 1 });
    const failed = expect.objectContaining({
      code: 'SERVICE_UNAVAILABLE',
      detail: 'the decoder of pictures failed',
    });
    await expect(hasty.encodeAnew(picture())).rejects.toEqual(failed);
    await expect(hasty.encodeAnew(picture())).rejects.toEqual(failed);
  });

  it('decodes one picture after the other, and refuses further ones when its queue is full', async () => {
    const one = new PictureDecoder();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () =>
        one.encodeAnew(picture()).then(
          (anew) => outcome(anew),
          (error: { code: string; extensions: object }) => error.code,
        ),
      ),
    );
    expect(outcomes.filter((said) => said === 'at most 2 kB')).toHaveLength(17);
    expect(outcomes.filter((said) => said === 'SERVICE_UNAVAILABLE')).toHaveLength(3);
  }, 30_000);
});

describe('an uploaded picture', () => {
  let world: BlockpassWorld;
  beforeAll(async () => {
    world = await startBlockpassWorld();
  });
  afterAll(() => world.close());

  it('is vouched for by the hash of the uploaded bytes, and stored in a new encoding', async () => {
    const selfie = withChunks(picture(), pngChunk('tEXt', Buffer.from('k\0<script>')));
    const page = await SignInPage.open(world.gateway.browser());
    const app = world.person('Ada Lovelace', { selfie });
    await app.scan(page.qrText);
    const bearer = await world.reviewer();
    const rows = await world.gateway.database.query<{ id: string; verified: boolean }>(
      `select r.id, i.verified from kyc_record r join kyc_item i on i.record_id = r.id
       where r.blockpass_id = $1 and slug = 'selfie'`,
      [app.person.id],
    );
    expect(rows).toEqual([{ id: expect.any(String), verified: true }]);
    const [{ id: recordId } = { id: '' }] = rows;
    const file = await fetch(`${world.gateway.url}/kyc/files/${recordId}/identity/selfie`, {
      headers: { authorization: `Bearer ${bearer}` },
    });
    expect(Buffer.from(await file.arrayBuffer())).toEqual(await encoded(selfie));

    // The evidence is requested once more, for the stored picture.
    await world.gateway.database.query('update kyc_item set verified = null where record_id = $1', [
      recordId,
    ]);
    const { data } = await world.gateway.client.execute(StartKycReviewDocument, { recordId }, { bearer });
    expect(data?.startKycReview.identities).toContainEqual(
      expect.objectContaining({ slug: 'selfie', verified: true }),
    );
    const approved = await world.gateway.client.execute(ApproveKycDocument, { recordId }, { bearer });
    expect(approved.data?.approveKyc.status).toBe('APPROVED');
  });

  it('is not vouched for by the stored hash of another picture', async () => {
    const page = await SignInPage.open(world.gateway.browser());
    const [first, second] = [picture(), picture()];
    const app = world.person('Ada Lovelace', { selfie: first });
    await app.scan(page.qrText);
    const hash = async () => {
      const [row] = await world.gateway.database.query<{ record_id: string; sealed_received_hash: Buffer }>(
        `select record_id, sealed_received_hash from kyc_item i join kyc_record r on r.id = i.record_id
         where r.blockpass_id = $1 and slug = 'selfie'`,
        [app.person.id],
      );
      return row;
    };
    const before = await hash();
    app.enter('selfie', second);
    await app.upload(await app.resubmit(['selfie'], []));
    // The previous release stores pictures like this: it replaces the content and leaves the hash.
    await world.gateway.database.query(
      "update kyc_item set sealed_received_hash = $2, verified = null where record_id = $1 and slug = 'selfie'",
      [before?.record_id, before?.sealed_received_hash],
    );
    app.enter('selfie', first);
    const { data } = await world.gateway.client.execute(
      StartKycReviewDocument,
      { recordId: before?.record_id ?? '' },
      { bearer: await world.reviewer() },
    );
    expect(data?.startKycReview.identities).toContainEqual(
      expect.objectContaining({ slug: 'selfie', verified: false }),
    );
  });
});

const outcome = (anew: Buffer | null): string =>
  anew === null ? 'refused' : anew.length <= 2_000 ? 'at most 2 kB' : 'more than 2 kB';

/** The peak resident memory of the decoder process, in MB, for one picture. */
async function peakOf(received: Buffer): Promise<number> {
  const atExit = `process.on('exit', () => {
    const status = process.getBuiltinModule('fs').readFileSync('/proc/self/status', 'utf8');
    process.stderr.write(/VmHWM:\\s*(\\d+)/.exec(status)[1]);
  })`;
  const worker = fileURLToPath(new URL('../../src/blockpass/app/picture-worker.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(atExit)}`, worker],
    { env: { MALLOC_ARENA_MAX: '1' }, stdio: ['pipe', 'ignore', 'pipe'] },
  );
  child.stdin.on('error', () => {});
  child.stdin.end(received);
  return Number(await text(child.stderr)) / 1024;
}
