export { guessRounds, inRound } from './guess-rounds.ts';
