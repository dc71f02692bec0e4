/** The operator's command as code: tests and benchmarks start servers exactly as `npm start` does. */
export { serve, type RunningServer } from './serve.ts'
export { parseServeConfig, serveOptions, type ServeConfig } from './options.ts'
