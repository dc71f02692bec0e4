import { expect, it } from 'vitest'
import { readRequestClient } from './request-client.ts'

function ipOf(remoteAddress: string | undefined, forwardedFor?: string): string | null {
  const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }
  return readRequestClient({ headers, remoteAddress }).ip
}

it('takes the address of the connection', () => {
  expect(ipOf('203.0.113.7')).toBe('203.0.113.7')
  expect(ipOf('::ffff:203.0.113.7')).toBe('203.0.113.7')
  expect(ipOf('::1')).toBe('::1')
  expect(ipOf('fe80::1%eth0')).toBe('fe80::1')
  expect(ipOf(undefined)).toBeNull()
})

it('believes a proxy of this machine or of a private network', () => {
  expect(ipOf('127.0.0.1', '203.0.113.7')).toBe('203.0.113.7')
  expect(ipOf('::ffff:172.18.0.2', '203.0.113.7, 10.0.0.4')).toBe('203.0.113.7')
  expect(ipOf(undefined, '2001:db8::7')).toBe('2001:db8::7')
  expect(ipOf('::1', '[2001:db8::7]:4711')).toBe('2001:db8::7')
  expect(ipOf('::1', '203.0.113.7:4711')).toBe('203.0.113.7')
})

it('does not believe what a client has written itself', () => {
  expect(ipOf('203.0.113.7', '198.51.100.1')).toBe('203.0.113.7')
  expect(ipOf('127.0.0.1', '198.51.100.1, 203.0.113.7')).toBe('203.0.113.7')
  expect(ipOf('127.0.0.1', '198.51.100.1, not an address')).toBe('127.0.0.1')
  expect(ipOf('127.0.0.1', '')).toBe('127.0.0.1')
})

it('reaches a client within the private network', () => {
  expect(ipOf('127.0.0.1', '192.168.1.20')).toBe('192.168.1.20')
})

it('passes the user agent on as it is', () => {
  const headers = { 'user-agent': 'Test/1.0 (a; b)' }
  expect(readRequestClient({ headers, remoteAddress: '::1' }).userAgent).toBe('Test/1.0 (a; b)')
  expect(readRequestClient({ headers: {}, remoteAddress: '::1' }).userAgent).toBeNull()
})
