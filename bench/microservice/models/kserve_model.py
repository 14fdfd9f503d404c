"""The model, as KServe's SDK serves it: `python kserve_model.py --http_port PORT ...`."""

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class TimesTwo(Model):
    """Doubles its input."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ready = True

    def predict(self, payload: InferRequest, headers: object = None, response_headers: object = None) -> InferResponse:
        given = payload.inputs[0]
        result = given.as_numpy() * 2
        output = InferOutput("y", list(result.shape), given.datatype)
        binary = bool(payload.use_binary_outputs)
        output.set_data_from_numpy(result, binary_data=binary)
        identity = payload.id or "1"
        return InferResponse(identity, self.name, [output], use_binary_outputs=binary)


if __name__ == "__main__":
    ModelServer().start([TimesTwo("TimesTwo")])
