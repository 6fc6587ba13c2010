//! The catalog on the wire: each method decodes, calls `app`, encodes.

mod decode;
mod encode;

use std::sync::Arc;

use api::catalog::v1::catalog_service_server::CatalogService;
use api::catalog::v1::{
    BatchGetBooksRequest, BatchGetBooksResponse, GetBookRequest, GetBookResponse, ListBooksRequest,
    ListBooksResponse, PublishBookRequest, PublishBookResponse, SearchBooksRequest,
    SearchBooksResponse, UnpublishBookRequest, UnpublishBookResponse, UpdateBookRequest,
    UpdateBookResponse,
};
use platform::context::CallContext;
use platform::deadline::Deadline;
use platform::error::{Repeat, respond};
use tonic::{Request, Response, Status};

use crate::app::Catalog;
use crate::error::CatalogError;

type Answer<R> = Result<Response<R>, Status>;

/// `catalog.v1.CatalogService`.
pub(crate) struct CatalogGrpc {
    catalog: Arc<Catalog>,
}

impl CatalogGrpc {
    pub(crate) const fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    async fn publish(
        &self,
        request: PublishBookRequest,
        deadline: Deadline,
    ) -> Result<PublishBookResponse, CatalogError> {
        let book = self
            .catalog
            .publish_book(decode::publish_book(&request)?, deadline)
            .await?;
        Ok(PublishBookResponse {
            book_id: book.id.get(),
            ..Default::default()
        })
    }

    async fn get(
        &self,
        request: GetBookRequest,
        deadline: Deadline,
    ) -> Result<GetBookResponse, CatalogError> {
        let id = decode::book_id("book_id", request.book_id)?;
        let book = self.catalog.get_book(id, deadline).await?;
        Ok(GetBookResponse {
            book: Some(encode::book(&book)),
            ..Default::default()
        })
    }

    async fn list(
        &self,
        request: ListBooksRequest,
        deadline: Deadline,
    ) -> Result<ListBooksResponse, CatalogError> {
        let page = decode::page(request.page, request.page_size)?;
        let listed = self.catalog.list_books(page, deadline).await?;
        let (books, total) = (encode::books(&listed.books), encode::total(listed.total));
        Ok(ListBooksResponse {
            books,
            total,
            ..Default::default()
        })
    }

    async fn search(
        &self,
        request: SearchBooksRequest,
        deadline: Deadline,
    ) -> Result<SearchBooksResponse, CatalogError> {
        let (keyword, page) = decode::search(&request)?;
        let found = self.catalog.search_books(&keyword, page, deadline).await?;
        let (books, total) = (encode::books(&found.books), encode::total(found.total));
        Ok(SearchBooksResponse {
            books,
            total,
            ..Default::default()
        })
    }

    async fn batch_get(
        &self,
        request: BatchGetBooksRequest,
        deadline: Deadline,
    ) -> Result<BatchGetBooksResponse, CatalogError> {
        let ids = decode::book_ids(&request.book_ids)?;
        let books = self.catalog.batch_get_books(&ids, deadline).await?;
        Ok(BatchGetBooksResponse {
            books: encode::books(&books),
            ..Default::default()
        })
    }

    async fn update(
        &self,
        request: UpdateBookRequest,
        deadline: Deadline,
    ) -> Result<UpdateBookResponse, CatalogError> {
        let book = self
            .catalog
            .update_book(decode::update_book(&request)?, deadline)
            .await?;
        Ok(UpdateBookResponse {
            book: Some(encode::book(&book)),
            ..Default::default()
        })
    }

    async fn unpublish(
        &self,
        request: UnpublishBookRequest,
        deadline: Deadline,
    ) -> Result<UnpublishBookResponse, CatalogError> {
        let id = decode::book_id("book_id", request.book_id)?;
        self.catalog.unpublish_book(id, deadline).await?;
        Ok(UnpublishBookResponse::default())
    }
}

#[tonic::async_trait]
impl CatalogService for CatalogGrpc {
    async fn publish_book(
        &self,
        request: Request<PublishBookRequest>,
    ) -> Answer<PublishBookResponse> {
        let context = CallContext::of(&request);
        let request = request.into_inner();
        let repeat = decode::repeat_of_publish(&request);
        respond(
            &context,
            repeat,
            self.publish(request, context.deadline).await,
        )
    }

    async fn get_book(&self, request: Request<GetBookRequest>) -> Answer<GetBookResponse> {
        let context = CallContext::of(&request);
        let result = self.get(request.into_inner(), context.deadline).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn list_books(&self, request: Request<ListBooksRequest>) -> Answer<ListBooksResponse> {
        let context = CallContext::of(&request);
        let result = self.list(request.into_inner(), context.deadline).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn search_books(
        &self,
        request: Request<SearchBooksRequest>,
    ) -> Answer<SearchBooksResponse> {
        let context = CallContext::of(&request);
        let result = self.search(request.into_inner(), context.deadline).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn batch_get_books(
        &self,
        request: Request<BatchGetBooksRequest>,
    ) -> Answer<BatchGetBooksResponse> {
        let context = CallContext::of(&request);
        let result = self.batch_get(request.into_inner(), context.deadline).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn update_book(&self, request: Request<UpdateBookRequest>) -> Answer<UpdateBookResponse> {
        let context = CallContext::of(&request);
        let result = self.update(request.into_inner(), context.deadline).await;
        respond(&context, Repeat::Safe, result)
    }

    async fn unpublish_book(
        &self,
        request: Request<UnpublishBookRequest>,
    ) -> Answer<UnpublishBookResponse> {
        let context = CallContext::of(&request);
        let result = self.unpublish(request.into_inner(), context.deadline).await;
        respond(&context, Repeat::Safe, result)
    }
}
