import type { Clock } from '../../src/platform/clock.ts';

/** The clock of a process, moved by hand. */
export class TestClock implements Clock {
  private offset = 0;

  now(): number {
    return Date.now() + this.offset;
  }

  /** Moves to the middle of a TOTP step, so that no new one begins while a test computes and sends a code. */
  toMidStep(): void {
    this.advance((45 - ((this.now() / 1000) % 30)) % 30);
  }

  advance(seconds: number): void {
    this.offset += seconds * 1000;
  }
}
