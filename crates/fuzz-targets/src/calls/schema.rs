//! The methods of the contract and messages for them, from the descriptor set alone: a new method has
//! its target the moment it is generated.

use std::collections::BTreeMap;

use anyhow::Context;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::mutate;
use crate::wire::{Field, Value, number, write};

/// One method of the contract.
#[derive(Debug, Clone)]
pub(super) struct Method {
    /// What its target is called: `catalog_publish_book`.
    pub(super) target: String,
    /// Which service has it: `catalog`.
    pub(super) service: String,
    /// `PublishBook`
    pub(super) name: String,
    /// `/catalog.v1.CatalogService/PublishBook`
    pub(super) path: String,
    input: String,
    output: String,
}

/// All methods and messages.
pub(super) struct Schema {
    methods: Vec<Method>,
    messages: BTreeMap<String, DescriptorProto>,
}

impl Schema {
    /// Reads the descriptor set that the servers answer reflection with.
    pub(super) fn read() -> anyhow::Result<Self> {
        let set = FileDescriptorSet::decode(api::FILE_DESCRIPTOR_SET)?;
        let mut schema = Self {
            methods: Vec::new(),
            messages: BTreeMap::new(),
        };
        for file in set.file {
            let package = file.package().to_owned();
            for message in file.message_type {
                let name = format!(".{package}.{}", message.name());
                schema.messages.insert(name, message);
            }
            let word = package.split('.').next().unwrap_or_default().to_owned();
            for service in file.service {
                for method in &service.method {
                    schema.methods.push(Method {
                        target: format!("{word}{}", snake_case(method.name())),
                        service: word.clone(),
                        name: method.name().to_owned(),
                        path: format!("/{package}.{}/{}", service.name(), method.name()),
                        input: method.input_type().to_owned(),
                        output: method.output_type().to_owned(),
                    });
                }
            }
        }
        Ok(schema)
    }

    pub(super) fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The number of the field `name` in what `method` is asked.
    pub(super) fn request_field(&self, method: &Method, name: &str) -> Option<u64> {
        self.field_number(&method.input, name)
    }

    /// The number of the field `name` in what `method` answers.
    pub(super) fn reply_field(&self, method: &Method, name: &str) -> Option<u64> {
        self.field_number(&method.output, name)
    }

    fn field_number(&self, message: &str, name: &str) -> Option<u64> {
        let fields = &self.messages.get(message)?.field;
        let field = fields.iter().find(|field| field.name() == name)?;
        u64::try_from(field.number()).ok()
    }

    /// Writes a request of `method` that is likely to be accepted; texts are mostly of `words`.
    pub(super) fn request(
        &self,
        method: &Method,
        words: &[String],
        rng: &mut SmallRng,
        message: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        message.clear();
        self.fill(&method.input, words, rng, message)
    }

    fn fill(
        &self,
        name: &str,
        words: &[String],
        rng: &mut SmallRng,
        message: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let descriptor = self.messages.get(name).with_context(|| name.to_owned())?;
        let mut fields = Vec::new();
        for field in &descriptor.field {
            for _ in 0..count(field, rng) {
                fields.push(Field {
                    number: u64::try_from(field.number())?,
                    value: self.value(field, words, rng)?,
                });
            }
        }
        write(&fields, message);
        Ok(())
    }

    fn value(
        &self,
        field: &FieldDescriptorProto,
        words: &[String],
        rng: &mut SmallRng,
    ) -> anyhow::Result<Value> {
        Ok(match field.r#type() {
            Type::String | Type::Bytes => Value::Bytes(text(words, rng)),
            Type::Message | Type::Group => {
                let mut inner = Vec::new();
                self.fill(field.type_name(), words, rng, &mut inner)?;
                Value::Bytes(inner)
            }
            Type::Fixed64 | Type::Sfixed64 | Type::Double => {
                Value::Eight(number(rng).to_le_bytes())
            }
            Type::Fixed32 | Type::Sfixed32 | Type::Float => Value::Four(rng.random()),
            Type::Int64
            | Type::Uint64
            | Type::Int32
            | Type::Uint32
            | Type::Bool
            | Type::Enum
            | Type::Sint32
            | Type::Sint64 => Value::Varint(number(rng)),
        })
    }
}

/// How often a field stands in a message: mostly once, a list mostly with a few entries.
fn count(field: &FieldDescriptorProto, rng: &mut SmallRng) -> usize {
    let is_list = field.label() == Label::Repeated;
    match (is_list, rng.random_range(0..32_u8)) {
        (true, 0) => 101,
        (true, 1) => 501,
        (true, _) => rng.random_range(0..4),
        (false, 0..=2) => 0,
        (false, _) => 1,
    }
}

fn text(words: &[String], rng: &mut SmallRng) -> Vec<u8> {
    let word = mutate::pick(rng, words)
        .map(String::as_str)
        .unwrap_or_default();
    match rng.random_range(0..64_u8) {
        0 => Vec::new(),
        1 => word.repeat(rng.random_range(1..30)).into_bytes(),
        2 => format!(" {word}\u{3000}").into_bytes(),
        3 => format!("{word}\u{0}").into_bytes(),
        4 => vec![0xff, 0xfe],
        _ => word.as_bytes().to_vec(),
    }
}

/// `_publish_book` for `PublishBook`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
