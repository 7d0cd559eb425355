import type { Clock } from '../../src/platform/clock.ts';

/** The process's time, moved by hand. */
export class TestClock implements Clock {
  private offset = 0;

  now(): number {
    return Date.now() + this.offset;
  }

  /** To the middle of a time step of TOTP, so that none begins while a test computes a code and sends it. */
  toMidStep(): void {
    this.advance((45 - ((this.now() / 1000) % 30)) % 30);
  }

  advance(seconds: number): void {
    this.offset += seconds * 1000;
  }
}
