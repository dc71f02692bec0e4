/** A terminal as a person has it: a shell that keeps its folder and variables from block to block, and Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Variables that npm, proxies and certificates may need; nothing else of the test's environment is passed on. */
const passedOn =
  /^(LANG|USER|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|npm_config_registry)$/

export type ExitOutcome = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export class Terminal implements AsyncDisposable {
  readonly #shell: ChildProcess
  readonly #folder: string
  readonly #ended: Promise<ExitOutcome>
  #blocks = 0
  #transcript = ''
  #outcome: ExitOutcome | undefined
  #notify: () => void = () => undefined

  private constructor(shell: ChildProcess, folder: string) {
    this.#shell = shell
    this.#folder = folder
    for (const stream of [shell.stdout, shell.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#transcript += text
        this.#notify()
      })
    }
    this.#ended = new Promise((resolve, reject) => {
      shell.once('error', reject)
      shell.once('close', (code, signal) => {
        this.#outcome = { code, signal }
        this.#notify()
        resolve(this.#outcome)
      })
    })
  }

  /** The shell stops at the first command that fails, which is when a person would stop too. */
  static async open(options: { readonly cwd: string }): Promise<Terminal> {
    const folder = await mkdtemp(join(tmpdir(), 'concave-terminal-'))
    const shell = spawn('bash', ['--noprofile', '--norc', '-e'], {
      cwd: options.cwd,
      env: personalEnvironment(folder),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own, which is what Ctrl-C reaches in a terminal.
      detached: true,
    })
    return new Terminal(shell, folder)
  }

  /** Everything printed so far, standard error included. */
  get transcript(): string {
    return this.#transcript
  }

  /** The shell's process id, which is also its process group's. */
  get pid(): number {
    return this.#shell.pid ?? 0
  }

  /** Runs a block to its end and returns what it printed. Throws with the transcript when a command fails. */
  async run(block: string, timeoutMs: number): Promise<string> {
    const start = this.#transcript.length
    await this.start(block)
    const marker = `finished block ${this.#blocks}`
    this.#shell.stdin?.write(`printf '\\n%s\\n' '${marker}'\n`)
    await this.waitForOutput(new RegExp(`^${marker}$`, 'm'), timeoutMs)
    return this.#transcript.slice(start).replace(`\n${marker}\n`, '')
  }

  /** Starts a block that goes on until it is interrupted. */
  async start(block: string): Promise<void> {
    this.#blocks += 1
    const script = join(this.#folder, `block-${this.#blocks}.sh`)
    await writeFile(script, block)
    // From a file, because commands must not read the next block from their standard input.
    this.#shell.stdin?.write(`. ${script} </dev/null\n`)
  }

  /** The first match in the transcript. Throws with the transcript when the shell ends without it. */
  async waitForOutput(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return await new Promise((resolve, reject) => {
      const fail = (what: string): void => reject(new Error(`${what} ${pattern}. Transcript:\n${this.#transcript}`))
      const timer = setTimeout(() => fail(`In ${timeoutMs} ms nothing printed`), timeoutMs)
      this.#notify = () => {
        const match = pattern.exec(this.#transcript)
        if (match === null && this.#outcome === undefined) return
        clearTimeout(timer)
        this.#notify = () => undefined
        if (match === null) fail('The shell ended without printing')
        else resolve(match)
      }
      this.#notify()
    })
  }

  /** Ctrl-C: SIGINT to every process of the group. Waits until the shell and all that write to it have ended. */
  async interrupt(): Promise<ExitOutcome> {
    if (this.#outcome === undefined) process.kill(-this.pid, 'SIGINT')
    return await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#outcome === undefined) process.kill(-this.pid, 'SIGKILL')
    await this.#ended
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/**
 * What a login gives: the system's programs (`npm test` puts this repository's in front) and a home folder, here a new
 * one so that the official command line finds no login and leaves none; npm keeps its settings and its cache.
 */
function personalEnvironment(home: string): NodeJS.ProcessEnv {
  const { env } = process
  const path = (env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  return {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => passedOn.test(name))),
    PATH: path.join(delimiter),
    HOME: home,
    NO_COLOR: '1',
    npm_config_userconfig: env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'),
    npm_config_cache: env['npm_config_cache'] ?? join(homedir(), '.npm'),
    // Where the official command line asks for newer versions of itself: nowhere.
    CONVEX_VERSION_API_ORIGIN: 'http://127.0.0.1:1',
  }
}
