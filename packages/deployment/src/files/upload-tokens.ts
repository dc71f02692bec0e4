/** Permission to upload files, as text in a URL: who holds it may use it until it expires, as often as they like. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, type Random, Unauthenticated } from '@concave/base'
import type { MetaStore } from '@concave/storage'
import { fileLimits } from './file-limits.ts'

const secretKey = 'files/uploadTokenSecret'
const secretBytes = 32
const macBytes = 32
const timeBytes = 8

/** A token is base64url of: time of issue (u64 ms), and the MAC of it with a secret of this deployment. */
export class UploadTokens {
  readonly #meta: MetaStore
  readonly #random: Random
  readonly #clock: Clock
  #secret: Promise<Buffer> | undefined

  constructor(deps: { readonly meta: MetaStore; readonly random: Random; readonly clock: Clock }) {
    this.#meta = deps.meta
    this.#random = deps.random
    this.#clock = deps.clock
  }

  async issue(): Promise<string> {
    const time = Buffer.alloc(timeBytes)
    time.writeBigUInt64BE(BigInt(this.#clock.nowMs()))
    return Buffer.concat([time, await this.#mac(time)]).toString('base64url')
  }

  /** Throws 401: `InvalidStorageToken` for what is no token, `StorageTokenInvalid` for another's, `StorageTokenExpired`. */
  async check(token: string | null): Promise<void> {
    const bytes = Buffer.from(token ?? '', 'base64url')
    if (bytes.length !== timeBytes + macBytes || bytes.toString('base64url') !== token) {
      throw new Unauthenticated(
        'InvalidStorageToken',
        'The URL needs the parameter "token", as ctx.storage.generateUploadUrl() gives it.',
      )
    }
    const time = bytes.subarray(0, timeBytes)
    if (!timingSafeEqual(bytes.subarray(timeBytes), await this.#mac(time))) {
      throw new Unauthenticated('StorageTokenInvalid', 'The upload URL was not made by this deployment.')
    }
    if (this.#clock.nowMs() - Number(time.readBigUInt64BE()) > fileLimits.uploadUrlMs) {
      throw new Unauthenticated(
        'StorageTokenExpired',
        'The upload URL has expired: they are valid for one hour. Ask for another with ctx.storage.generateUploadUrl().',
      )
    }
  }

  async #mac(time: Buffer): Promise<Buffer> {
    return createHmac('sha256', await this.#loadSecret())
      .update(time)
      .digest()
  }

  /** Made at first use. */
  async #loadSecret(): Promise<Buffer> {
    this.#secret ??= this.#readOrMakeSecret()
    try {
      return await this.#secret
    } catch (error) {
      this.#secret = undefined
      throw error
    }
  }

  async #readOrMakeSecret(): Promise<Buffer> {
    let record = await this.#meta.get(secretKey)
    if (record === undefined) {
      await this.#meta.set(secretKey, Buffer.from(this.#random.bytes(secretBytes)).toString('base64'), 0)
      record = await this.#meta.get(secretKey)
    }
    return Buffer.from(record?.value ?? '', 'base64')
  }
}
