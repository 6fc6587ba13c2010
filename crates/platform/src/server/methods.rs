//! The methods that a service answers, and what is counted of each.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic_reflection::pb::{v1, v1alpha};

/// The services on every port beside its own, with their descriptor sets.
const ON_EVERY_PORT: [(&str, &[u8]); 3] = [
    (
        "grpc.health.v1.Health",
        tonic_health::pb::FILE_DESCRIPTOR_SET,
    ),
    (
        "grpc.reflection.v1.ServerReflection",
        v1::FILE_DESCRIPTOR_SET,
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        v1alpha::FILE_DESCRIPTOR_SET,
    ),
];

/// The methods on one port, by path. No other path ever becomes a label: it is a caller's text.
#[derive(Debug, Clone)]
pub(super) struct Methods {
    known: Arc<HashMap<String, Method>>,
    unknown: Arc<Method>,
}

/// One method's metrics.
#[derive(Debug)]
pub(super) struct Method {
    service: &'static str,
    name: String,
    /// Made at the first call: by then a metrics recorder is installed, if one ever is.
    handles: OnceLock<Handles>,
}

#[derive(Debug)]
struct Handles {
    succeeded: Counter,
    seconds: Histogram,
}

impl Methods {
    /// The methods on the port of `service`, which serves the gRPC services `served`.
    pub(super) fn of(service: &'static str, served: &[&str]) -> Self {
        let is_here = |path: &str| {
            served.contains(&path) || ON_EVERY_PORT.iter().any(|(name, _)| *name == path)
        };
        let described = ON_EVERY_PORT.map(|(_, described)| described);
        let mut known = HashMap::new();
        for bytes in [api::FILE_DESCRIPTOR_SET].into_iter().chain(described) {
            // One that cannot be read is reported by reflection, which needs it too.
            for file in FileDescriptorSet::decode(bytes).unwrap_or_default().file {
                let package = file.package().to_owned();
                for described in &file.service {
                    let path = format!("{package}.{}", described.name());
                    if !is_here(&path) {
                        continue;
                    }
                    for method in &described.method {
                        let name = method.name().to_owned();
                        known.insert(format!("/{path}/{name}"), Method::new(service, name));
                    }
                }
            }
        }
        Self {
            known: Arc::new(known),
            unknown: Arc::new(Method::new(service, "unknown".to_owned())),
        }
    }

    /// The method at `path`, or the one that stands for all unknown paths.
    pub(super) fn at(&self, path: &str) -> &Method {
        self.known.get(path).unwrap_or(&self.unknown)
    }
}

impl Method {
    const fn new(service: &'static str, name: String) -> Self {
        Self {
            service,
            name,
            handles: OnceLock::new(),
        }
    }

    /// Counts one call that was answered with the gRPC status `status`.
    pub(super) fn count(&self, status: &str, elapsed: Duration) {
        let handles = self.handles.get_or_init(|| Handles {
            succeeded: self.counter("0"),
            seconds: metrics::histogram!(
                "bookstore_grpc_request_seconds",
                "service" => self.service,
                "method" => self.name.clone(),
            ),
        });
        if status == "0" {
            handles.succeeded.increment(1);
        } else {
            self.counter(status).increment(1);
        }
        handles.seconds.record(elapsed.as_secs_f64());
    }

    fn counter(&self, status: &str) -> Counter {
        metrics::counter!(
            "bookstore_grpc_requests_total",
            "service" => self.service,
            "method" => self.name.clone(),
            "status" => status.to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_are_served_have_a_name() {
        let methods = Methods::of("catalog", &["catalog.v1.CatalogService"]);
        let served = [
            "/catalog.v1.CatalogService/GetBook",
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ];
        for path in served {
            assert!(path.ends_with(&methods.at(path).name), "{path}");
        }
        let strange = [
            "/catalog.v1.CatalogService/GetBooks",
            "/catalog.v1.X/GetBook",
            "/order.v1.OrderService/GetOrder",
            "",
        ];
        for path in strange {
            assert_eq!(methods.at(path).name, "unknown", "{path}");
        }
    }
}
