// The second thread of a network: an instance of the module in the memory of the first.

self.onmessage = async ({ data: { module, memory } }) => {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  exports.__stack_pointer.value = exports.second_stack();
  self.postMessage("ready");
  exports.serve(); // until the network is closed
  self.close();
};
