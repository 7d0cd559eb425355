import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Milliseconds between two samples of the event loop. The time of an arrival is known to within two samples. */
const LOOK_INTERVAL = 100;
/** Turns of the loop that may be incomplete: the first and the last. */
const INCOMPLETE_TURNS = 2;

/**
 * The state of the loop at one moment. Times are those of `performance.now()`, which goes on while the process is
 * stopped.
 */
interface Look {
  readonly at: number;
  /** Turns of the loop so far. */
  readonly turns: number;
  /** Milliseconds so far in which the loop slept because it had nothing to do. */
  readonly idle: number;
  /** Connections accepted so far. */
  readonly accepted: number;
}

/**
 * Tells when a request may have arrived. Node does not say how long bytes waited in the kernel while the event loop
 * stalled, in a long computation, a stopped process or a paused container. So this is the latest moment at which they
 * provably had not arrived:
 *
 * - Each turn of the loop reads all connections that have data. Data that is read now was absent in the turn before,
 *   and there is at least one turn between two samples. So the data arrived after the last sample but one.
 * - A new connection may have waited longer with its request, since libuv accepts one connection in each turn. No
 *   connection waited when the loop slept, or when it made more turns than it accepted connections.
 *
 * So a request may seem up to 0.2 s older than it is, and as old as the whole stall when it comes right after one.
 * Suspending a virtual machine stops this clock as well.
 */
export class Arrivals {
  private accepted = 0;
  private last: Look = this.look();
  private lastButOne: Look = this.last;
  /** All connections that came before this time have been accepted. */
  private acceptedUntil = this.last.at;
  private readonly newcomers = new WeakMap<Socket, { readonly at: number; readonly since: number }>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly server: Server) {
    server.prependListener('connection', this.onConnection);
    server.on('drop', this.onDrop);
    this.timer = setInterval(() => this.lookAgain(), LOOK_INTERVAL).unref();
  }

  /** The earliest moment at which the data that was just read from a connection may have arrived. */
  since(socket: Socket): number {
    const newcomer = this.newcomers.get(socket);
    const seenAt = this.lastButOne.at;
    if (!newcomer) return seenAt;
    if (seenAt <= newcomer.at) return Math.min(seenAt, newcomer.since);
    // A turn that read this connection has passed since, so it is no longer a special case.
    this.newcomers.delete(socket);
    return seenAt;
  }

  stop(): void {
    clearInterval(this.timer);
    this.server.off('connection', this.onConnection).off('drop', this.onDrop);
  }

  private readonly onConnection = (socket: Socket): void => {
    this.accepted += 1;
    this.newcomers.set(socket, { at: performance.now(), since: this.acceptedUntil });
  };

  /** Node also accepts connections beyond `maxConnections`, and closes them. */
  private readonly onDrop = (): void => {
    this.accepted += 1;
  };

  private look(): Look {
    const { idleTime, uvMetricsInfo } = performance.nodeTiming;
    return { at: performance.now(), turns: uvMetricsInfo.loopCount, idle: idleTime, accepted: this.accepted };
  }

  private lookAgain(): void {
    this.lastButOne = this.last;
    this.last = this.look();
    const { turns, idle, accepted, at } = this.lastButOne;
    const spareTurns = this.last.turns - turns - (this.last.accepted - accepted);
    if (this.last.idle > idle || spareTurns > INCOMPLETE_TURNS) this.acceptedUntil = at;
  }
}
