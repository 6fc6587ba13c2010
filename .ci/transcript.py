"""The transcript of the README by a client that is not ours: Python's grpcio, messages by reflection.

Starts the program on a fresh folder and free ports, makes every call in order, compares the answers.
"""

import os
import re
import subprocess
import sys
import tempfile
import time

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SERVICES = ("catalog", "inventory", "order", "payment")


class Shop:
    """The running program and a channel to each of its services."""

    def __init__(self, folder):
        environment = dict(os.environ, BOOKSTORE_TELEMETRY__METRICS="127.0.0.1:0")
        for service in SERVICES:
            environment[f"BOOKSTORE_{service.upper()}__LISTEN"] = "127.0.0.1:0"
        command = [os.environ["BOOKSTORE_TEST_BIN"], "up", "--data-dir", folder]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.pools = {}
        self.channels = {}
        for line in self.process.stdout:
            found = re.match(r"\s+(\w+)\s+(127\.0\.0\.1:\d+)$", line)
            if found and found[1] in SERVICES:
                channel = grpc.insecure_channel(found[2])
                self.channels[found[1]] = channel
                self.pools[found[1]] = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            if len(self.channels) == len(SERVICES):
                break
        assert len(self.channels) == len(SERVICES), "the program did not start"

    def call(self, method, **fields):
        service = method.split(".")[0]
        name, rpc = method.rsplit(".", 1)
        pool = self.pools[service]
        descriptor = pool.FindServiceByName(name).methods_by_name[rpc]
        request = GetMessageClass(descriptor.input_type)()
        json_format.ParseDict(fields, request)
        unary = self.channels[service].unary_unary(
            f"/{name}/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(descriptor.output_type).FromString,
        )
        answer = json_format.MessageToDict(unary(request, timeout=10))
        print(f"{method} {fields} -> {answer}")
        return answer

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=30)


def within_a_second(probe):
    until = time.monotonic() + 1
    while not probe():
        assert time.monotonic() < until, "did not come true within a second"
        time.sleep(0.02)


def transcript(shop):
    catalog, inventory = "catalog.v1.CatalogService.", "inventory.v1.InventoryService."
    order, payment = "order.v1.OrderService.", "payment.v1.PaymentService."
    call = shop.call

    book = {"id": 1, "title": "Go微服务实战", "author": "佚名", "isbn": "978-7-00-000001-1", "price": 12800}
    assert call(catalog + "PublishBook", book=book) == {"bookId": "1"}
    second = {"title": "分布式系统原理", "author": "佚名", "price": 100}
    assert call(catalog + "PublishBook", book=second) == {"bookId": "2"}
    got = call(catalog + "GetBook", book_id=1)["book"]
    assert got["title"] == book["title"] and got["price"] == "12800" and got["isbn"] == book["isbn"]
    assert len(call(catalog + "BatchGetBooks", book_ids=[1, 2])["books"]) == 2

    restock = {"book_id": 1, "quantity": 100, "idempotency_key": "restock-001"}
    assert call(inventory + "RestockInventory", **restock) == {"newQuantity": 100}
    deduct = {"book_id": 1, "quantity": 5, "reference_id": 1, "idempotency_key": "order-1-book-1"}
    for _ in range(2):
        assert call(inventory + "DeductStock", **deduct) == {"remainingQuantity": 95}
    release = {"book_id": 1, "quantity": 5, "reference_id": 1}
    assert call(inventory + "ReleaseStock", **release) == {"newQuantity": 100}
    restock = {"book_id": 2, "quantity": 100, "idempotency_key": "restock-002"}
    assert call(inventory + "RestockInventory", **restock) == {"newQuantity": 100}

    items = [{"book_id": 1, "quantity": 2}, {"book_id": 2, "quantity": 1}]
    created = call(order + "CreateOrder", user_id=1, items=items)
    number = created["orderNo"]
    assert re.fullmatch(r"ORD\d{20,29}", number) and created["total"] == "25700"
    got = call(order + "GetOrder", order_no=number)["order"]
    assert (got["id"], got["userId"], got["total"], got["status"]) == ("1", "1", "25700", 1)
    assert [item["price"] for item in got["items"]] == ["12800", "100"]
    assert [item["bookTitle"] for item in got["items"]] == [book["title"], second["title"]]

    def status():
        return call(order + "GetOrder", order_no=number)["order"]["status"]

    pay = {"order_id": 1, "amount": 25700, "payment_method": "mock"}
    for _ in range(100):
        paid = call(payment + "Pay", **pay)
        if "code" not in paid:
            break
        assert paid == {"code": 1, "message": "支付失败（Mock）"}
    assert paid["message"] == "支付成功" and paid["thirdPartyNo"] == "MOCK" + paid["paymentNo"]
    again = call(payment + "Pay", **pay)
    assert again["message"] == "订单已支付" and again["paymentNo"] == paid["paymentNo"]
    assert call(payment + "GetPaymentStatus", order_id=1)["payment"]["status"] == 2
    within_a_second(lambda: status() == 2)
    refunded = call(payment + "Refund", order_id=1)
    assert refunded == {"message": "退款成功", "refundNo": "REF" + paid["paymentNo"]}
    assert call(payment + "GetPaymentStatus", order_id=1)["payment"]["status"] == 3
    within_a_second(lambda: status() == 5)


def main():
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(folder)
        try:
            transcript(shop)
        finally:
            code = shop.stop()
        assert code == 0, f"the program ended with {code}"
    print("the transcript holds")


if __name__ == "__main__":
    sys.exit(main())
