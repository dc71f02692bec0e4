/** Scores vectors away from the serving thread. Requests are answered one after another. */
import { assert } from '@concave/base'
import { parentPort } from 'node:worker_threads'
import { scoreVectors, type ScoreRequest } from './vector-scores.ts'

assert(parentPort !== null, 'Vectors are scored in a worker thread.')
const port = parentPort

port.on('message', ({ requestId, request }: { readonly requestId: number; readonly request: ScoreRequest }) => {
  port.postMessage({ requestId, results: scoreVectors(request) })
})
