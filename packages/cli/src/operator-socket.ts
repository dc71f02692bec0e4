/**
 * How the operator's commands reach a running server: HTTP on a Unix socket in the data directory, which only the
 * directory's owner can open. The database itself is locked by the server.
 */
import { chmod, rm } from 'node:fs/promises'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { join } from 'node:path'
import { Internal, type Log, PlatformError } from '@concave/base'
import { errorReply, parseJsonBody, readBody, sendReply } from '@concave/http'

export type OperatorCommand =
  | { readonly name: 'createAdminKey'; readonly deployment: string; readonly isReadOnly: boolean }
  | { readonly name: 'createPersonalToken'; readonly memberId: number; readonly tokenName: string }

const maxCommandBytes = 64 * 1024

export function operatorSocketPath(dataDir: string): string {
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\concave-${Buffer.from(dataDir).toString('hex')}`
    : join(dataDir, 'operator.sock')
}

export async function startOperatorSocket(options: {
  readonly dataDir: string
  readonly run: (command: OperatorCommand) => Promise<unknown>
  readonly log: Log
}): Promise<{ close(): Promise<void> }> {
  const path = operatorSocketPath(options.dataDir)
  await rm(path, { force: true })
  const server: Server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      try {
        const body = parseJsonBody(request.headers['content-type'], await readBody(request, maxCommandBytes))
        const value = await options.run(body as OperatorCommand)
        await sendReply(response, { status: 200, body: { kind: 'json', value } })
      } catch (error) {
        await sendReply(response, errorReply(error, { log: options.log, requestId: 'operator' }))
      }
    }
    answer().catch((error: unknown) => {
      options.log.debug({ err: error }, 'Could not finish an answer to an operator command.')
      response.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  if (process.platform !== 'win32') await chmod(path, 0o600)
  return {
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Undefined when no server runs on that directory. Throws the server's own coded error otherwise. */
export async function callOperatorSocket(dataDir: string, command: OperatorCommand): Promise<unknown> {
  const body = JSON.stringify(command)
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath: operatorSocketPath(dataDir),
        method: 'POST',
        path: '/',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
          if (response.statusCode === 200) resolve(answer)
          else reject(toError(response.statusCode ?? 500, answer))
        })
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined)
      else reject(error)
    })
    request.end(body)
  })
}

function toError(status: number, answer: unknown): PlatformError {
  if (typeof answer !== 'object' || answer === null) return new Internal(answer)
  const { code, message } = answer as { code?: unknown; message?: unknown }
  return new PlatformError(status, String(code), String(message))
}
