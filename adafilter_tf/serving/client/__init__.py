"""A client of model servers: requests predictions by gRPC or REST."""
