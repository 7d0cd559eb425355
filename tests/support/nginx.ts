import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate.ts';
import { freePort } from './process.ts';
import { eventually } from './race.ts';

/** Whether this machine has nginx. Without it the tests that need one are skipped. */
export const hasNginx: boolean = spawnSync('nginx', ['-v']).status === 0;

/** nginx with deploy/nginx/nginx.conf, in front of two gateways on this machine. */
export class TestNginx {
  private constructor(
    private readonly folder: string,
    readonly port: string,
    readonly plainUrl: string,
    private readonly child: ChildProcess,
  ) {}

  /** Origin with TLS. */
  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** The file of `NODE_EXTRA_CA_CERTS`. */
  get certificateFile(): string {
    return join(this.folder, 'localhost.crt');
  }

  /**
   * @param port for TLS, which the gateways must know for their `PUBLIC_URL`
   * @param gateways ports of the two gateways
   * @param change further replacements in the file
   */
  static async start(
    port: string,
    gateways: readonly [string, string],
    change: readonly (readonly [string, string])[] = [],
  ): Promise<TestNginx> {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-nginx-'));
    // Its workers are not root, and keep large bodies there.
    await chmod(folder, 0o755);
    await writeFile(join(folder, 'localhost.crt'), CERTIFICATE);
    await writeFile(join(folder, 'localhost.key'), CERTIFICATE_KEY);
    const plainPort = await freePort();
    const replacements = [
      ['server gateway:4000 ', `server 127.0.0.1:${gateways[0]} `],
      ['server gateway-2:4000 ', `server 127.0.0.1:${gateways[1]} `],
      ['listen 443 ', `listen 127.0.0.1:${port} `],
      ['listen 80;', `listen 127.0.0.1:${plainPort};`],
      ['/etc/nginx/certificates/', `${folder}/`],
      ['/tmp/nginx', `${folder}/nginx`],
      // The standard output of a child of Node can be a socket, which cannot be opened by name.
      ['/dev/stdout', `${folder}/access.log`],
      ['/dev/stderr', `${folder}/error.log`],
      ...change,
    ];
    let text = await readFile('deploy/nginx/nginx.conf', 'utf8');
    for (const [from = '', to = ''] of replacements) {
      if (!text.includes(from)) throw new Error(`nginx.conf has no "${from}"`);
      text = text.replaceAll(from, to);
    }
    const file = join(folder, 'nginx.conf');
    await writeFile(file, text);
    const child = spawn('nginx', ['-p', folder, '-c', file, '-g', 'daemon off;'], { stdio: 'ignore' });
    const nginx = new TestNginx(folder, port, `http://127.0.0.1:${plainPort}`, child);
    const answers = () => fetch(nginx.plainUrl, { redirect: 'manual' }).then(Boolean, () => false);
    await eventually(answers, Boolean, { withinMilliseconds: 10_000 });
    return nginx;
  }

  /** @returns the lines of its access log. */
  async accessLog(): Promise<string> {
    return readFile(join(this.folder, 'access.log'), 'utf8');
  }

  async close(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}
