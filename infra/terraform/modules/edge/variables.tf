variable "project_id" {
  description = "The project of the load balancer."
  type        = string
}

variable "region" {
  description = "The region of the functions."
  type        = string
}

variable "host" {
  description = "The host name that merchants, payers and providers use. Its A record must point at the output `address`, or there is no certificate."
  type        = string
  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.host))
    error_message = "host is a name such as pay.example.com, without https://."
  }
}

variable "payments_service" {
  description = "The Cloud Run service behind /v1 and /return."
  type        = string
}

variable "provider_webhooks_service" {
  description = "The Cloud Run service behind /webhooks."
  type        = string
}

variable "requests_per_minute_per_address" {
  description = "What one address may ask for. Far above what a merchant's servers need: merchants' limits are the gateway's own, by key. This keeps a flood away from the functions."
  type        = number
  default     = 60000
  validation {
    condition     = var.requests_per_minute_per_address >= 600 && var.requests_per_minute_per_address <= 1000000
    error_message = "requests_per_minute_per_address is 600 to 1,000,000."
  }
}
