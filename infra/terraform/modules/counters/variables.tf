variable "project_id" {
  description = "The project of the Redis instance."
  type        = string
}

variable "region" {
  description = "The region of the Redis instance."
  type        = string
}

variable "network" {
  description = "The id of the network that it has an address in."
  type        = string
}

variable "memory_gb" {
  description = "Memory. Payments as they were take 1.5 KB each for five minutes (100 a second: 45 MB), counters little."
  type        = number
  default     = 1
  validation {
    condition     = var.memory_gb >= 1 && var.memory_gb <= 300
    error_message = "memory_gb is 1 to 300."
  }
}

variable "has_standby" {
  description = "Whether another zone takes over when this one is lost."
  type        = bool
  default     = true
}

variable "is_encrypted" {
  description = "Whether connections are TLS. See the README for what that needs of Memorystore's certificate."
  type        = bool
  default     = true
}
