/** All of dht-network.test.ts once more, with every GET and PUT in onions. */
process.env.PEER_TEST_PRIVATE_LOOKUPS = 'yes';
await import('./dht-network.test.js');
