import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../tests/support/process.ts';
import { eventually } from '../../tests/support/race.ts';

export type BalancerName = 'nginx' | 'haproxy';

/**
 * Follows docs/operations.md. An idle connection to a gateway must end before the gateway stops
 * (SHUTDOWN_DELAY_SECONDS), so that the proxy never sends a request on it after that.
 */
const CONFIGURATIONS: Record<
  BalancerName,
  (folder: string, port: string, ports: readonly string[]) => string
> = {
  nginx: (folder, port, ports) => `
    daemon off;
    pid ${folder}/pid;
    error_log ${folder}/error.log;
    events { worker_connections 512; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      upstream gatehouse {
        ${ports.map((each) => `server 127.0.0.1:${each} max_fails=1 fail_timeout=1s;`).join(' ')}
        keepalive 16;
        keepalive_timeout 1s;
      }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://gatehouse;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
        }
      }
    }`,
  haproxy: (_folder, port, ports) => `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout check 2s
frontend clients
  bind 127.0.0.1:${port}
  default_backend gatehouse
backend gatehouse
  option httpchk GET /health/ready
  default-server check inter 250ms fall 2 rise 1
${ports.map((each) => `  server gateway${each} 127.0.0.1:${each}`).join('\n')}
`,
};

/** A proxy, installed on this machine, in front of some gateways. */
export class Balancer {
  private constructor(
    private readonly folder: string,
    readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(name: BalancerName, ports: readonly string[]): Promise<Balancer> {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-faults-'));
    const port = await freePort();
    const file = join(folder, 'configuration');
    await writeFile(file, CONFIGURATIONS[name](folder, port, ports));
    const args = name === 'nginx' ? ['-p', folder, '-c', file] : ['-q', '-f', file];
    const balancer = new Balancer(
      folder,
      `http://127.0.0.1:${port}`,
      spawn(name, args, { stdio: ['ignore', 'ignore', 'inherit'] }),
    );
    const answers = () =>
      fetch(`${balancer.url}/health/ready`).then(
        ({ status }) => status === 200,
        () => false,
      );
    await eventually(answers, Boolean, { withinMilliseconds: 10_000 });
    return balancer;
  }

  async close(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}
