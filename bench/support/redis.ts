import { spawn } from 'node:child_process';

const PORT = 4903;

/**
 * Starts a redis-server without persistence, on the core of the load.
 * @returns null when none is installed.
 */
export async function startRedis(): Promise<{ url: string; close: () => Promise<void> } | null> {
  const child = spawn('redis-server', ['--port', String(PORT), '--bind', '127.0.0.1', '--save', ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const started = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(false));
    child.stdout.on('data', (text) => {
      if (String(text).includes('Ready to accept connections')) resolve(true);
    });
  });
  if (!started) return null;
  return {
    url: `redis://127.0.0.1:${PORT}`,
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
