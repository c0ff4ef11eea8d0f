// The second thread of a network: an instance of the module in the memory of the first.

self.onmessage = async ({ data: { module, memory } }) => {
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    exports.__stack_pointer.value = exports.second_stack();
    self.postMessage({});
    exports.serve(); // until the network is closed
  } catch (error) {
    // Of a promise that fails the page would hear nothing.
    self.postMessage({ problem: error.message });
  }
  self.close();
};
