import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Milliseconds between two looks at the event loop: arrivals are known to twice of that. */
const LOOK_INTERVAL = 100;
/** Turns of the loop of which the first and the last may be incomplete. */
const INCOMPLETE_TURNS = 2;

/** The loop as it was at one moment. Times are those of `performance.now()`, which goes on while the process is stopped. */
interface Look {
  readonly at: number;
  /** Turns of the loop so far. */
  readonly turns: number;
  /** Milliseconds so far in which the loop slept since nothing was to be done. */
  readonly idle: number;
  /** Connections accepted so far. */
  readonly accepted: number;
}

/**
 * Tells when a request may have arrived. Node does not say how long bytes lay in the kernel while the event loop stood still, in a
 * long computation, a stopped process or a paused container. So this is the latest moment for which it can be shown that they
 * had not arrived:
 *
 * - Each turn of the loop reads all connections that have something to read. What is read now was not there in the turn
 *   before, and between two looks there is at least one turn. So it arrived after the last look but one.
 * - A new connection may have waited longer with its request, since libuv accepts one connection in each turn. Nothing waited to be
 *   accepted when the loop slept, or when it made more turns than it accepted connections.
 *
 * A request is thus thought to be up to 0.2 s older than it is, and as old as the stall when it comes right after one. A
 * virtual machine that is suspended stops this clock as well.
 */
export class Arrivals {
  private accepted = 0;
  private last: Look = this.look();
  private lastButOne: Look = this.last;
  /** All connections that came before that have been accepted. */
  private acceptedUntil = this.last.at;
  private readonly newcomers = new WeakMap<Socket, { readonly at: number; readonly since: number }>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly server: Server) {
    server.prependListener('connection', this.onConnection);
    server.on('drop', this.onDrop);
    this.timer = setInterval(() => this.lookAgain(), LOOK_INTERVAL).unref();
  }

  /** The earliest moment at which what was just read from a connection may have arrived. */
  since(socket: Socket): number {
    const newcomer = this.newcomers.get(socket);
    const seenAt = this.lastButOne.at;
    if (!newcomer) return seenAt;
    if (seenAt <= newcomer.at) return Math.min(seenAt, newcomer.since);
    // It was read in a turn of its own since: from now on it is as all others.
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

  /** Node accepts connections beyond `maxConnections` too, and closes them. */
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
